// sarama: the oldest widely used Go client.
package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "sprawl/conformance/cases"
)

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	return config
}

func brokers() []string { return []string{Bootstrap} }

func admin() sarama.ClusterAdmin { return Get(sarama.NewClusterAdmin(brokers(), settings())) }

func topic(partitions int32, configs map[string]*string) string {
	name := Fresh("sarama")
	adm := admin()
	defer adm.Close()
	Must(adm.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1,
		ConfigEntries: configs}, false))
	Eventually("the topic", func() bool {
		found, err := adm.DescribeTopics([]string{name})
		return err == nil && found[0].Err == sarama.ErrNoError && len(found[0].Partitions) == int(partitions)
	})
	return name
}

func message(name, value string) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(value)}
}

func produce(name string, values []string, config *sarama.Config) ([]int64, error) {
	producer := Get(sarama.NewSyncProducer(brokers(), config))
	defer producer.Close()
	messages := []*sarama.ProducerMessage{}
	for _, value := range values {
		messages = append(messages, message(name, value))
	}
	err := producer.SendMessages(messages)
	offsets := []int64{}
	for _, one := range messages {
		offsets = append(offsets, one.Offset)
	}
	return offsets, err
}

func readFrom(name string, offset int64, count int) []*sarama.ConsumerMessage {
	consumer := Get(sarama.NewConsumer(brokers(), settings()))
	defer consumer.Close()
	partition := Get(consumer.ConsumePartition(name, 0, offset))
	defer partition.Close()
	found := []*sarama.ConsumerMessage{}
	for len(found) < count {
		select {
		case one := <-partition.Messages():
			found = append(found, one)
		case <-time.After(20 * time.Second):
			Fail("read %d of %d messages in 20 s", len(found), count)
		}
	}
	return found
}

func values(messages []*sarama.ConsumerMessage) []string {
	found := []string{}
	for _, one := range messages {
		found = append(found, string(one.Value))
	}
	return found
}

func numbers(count int) []string {
	found := []string{}
	for n := range count {
		found = append(found, fmt.Sprint(n))
	}
	return found
}

func autoCreate() {
	Expect("offset", Get(produce(Fresh("sarama-auto"), []string{"a"}, settings())), []int64{0})
}

func acks() {
	for _, level := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		name, config := topic(1, nil), settings()
		config.Producer.RequiredAcks = level
		Get(produce(name, numbers(10), config))
		Expect(fmt.Sprint("acks ", level), values(readFrom(name, 0, 10)), numbers(10))
	}
}

func codec(codec sarama.CompressionCodec) func() {
	return func() {
		name, config, sent := topic(1, nil), settings(), []string{}
		config.Producer.Compression = codec
		for n := range 100 {
			sent = append(sent, strings.Repeat(fmt.Sprint(n, " "), 200))
		}
		Get(produce(name, sent, config))
		Expect("values", values(readFrom(name, 0, 100)), sent)
	}
}

func oldVersions() {
	for _, version := range []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.V2_8_0_0, sarama.V3_6_0_0} {
		name, config := topic(1, nil), settings()
		config.Version = version
		Get(produce(name, numbers(10), config))
		consumer := Get(sarama.NewConsumer(brokers(), config))
		partition := Get(consumer.ConsumePartition(name, 0, 0))
		select {
		case one := <-partition.Messages():
			Expect(version.String(), string(one.Value), "0")
		case <-time.After(20 * time.Second):
			Fail("nothing to read as version %s", version)
		}
		partition.Close()
		consumer.Close()
	}
}

func headers() {
	name := topic(1, nil)
	producer := Get(sarama.NewSyncProducer(brokers(), settings()))
	defer producer.Close()
	one := message(name, "v")
	one.Headers = []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: []byte("2")}}
	_, _, err := producer.SendMessage(one)
	Must(err)
	found := readFrom(name, 0, 1)[0].Headers
	Expect("headers", fmt.Sprintf("%s %s", *found[0], *found[1]), "{a 1} {a 2}")
}

func tooLarge() {
	name, config := topic(1, nil), settings()
	config.Producer.MaxMessageBytes = 5_000_000
	_, err := produce(name, []string{strings.Repeat("x", 2_000_000)}, config)
	ExpectError("2 MB on default limit", "too large", err.(sarama.ProducerErrors)[0].Err)
}

func idempotent() {
	name, config := topic(1, nil), settings()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	Get(produce(name, numbers(2000), config))
	Expect("order", values(readFrom(name, 0, 2000)), numbers(2000))
}

func offsets() {
	name := topic(1, nil)
	producer := Get(sarama.NewSyncProducer(brokers(), settings()))
	defer producer.Close()
	messages := []*sarama.ProducerMessage{}
	for n := range 10 {
		one := message(name, fmt.Sprint(n))
		one.Timestamp = time.UnixMilli(1_600_000_000_000 + int64(n)*1000)
		messages = append(messages, one)
	}
	Must(producer.SendMessages(messages))
	client := Get(sarama.NewClient(brokers(), settings()))
	defer client.Close()
	for _, pair := range [][2]int64{{sarama.OffsetOldest, 0}, {sarama.OffsetNewest, 10},
		{1_600_000_004_500, 5}, {1_600_000_009_000, 9}} {
		Expect(fmt.Sprint("offset at ", pair[0]), Get(client.GetOffset(name, 0, pair[0])), pair[1])
	}
	Expect("mid-batch", string(readFrom(name, 7, 1)[0].Value), "7")
	Expect("timestamp", readFrom(name, 7, 1)[0].Timestamp.UnixMilli(), int64(1_600_000_007_000))
	consumer := Get(sarama.NewConsumer(brokers(), settings()))
	defer consumer.Close()
	_, err := consumer.ConsumePartition(name, 0, 99)
	ExpectError("beyond the end", "outside the range", err)
}

type member struct {
	mutex  sync.Mutex
	claims int
	seen   []int64
	mark   bool
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.claims = 0
	for _, partitions := range session.Claims() {
		m.claims += len(partitions)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for one := range claim.Messages() {
		m.mutex.Lock()
		m.seen = append(m.seen, one.Offset)
		m.mutex.Unlock()
		if m.mark {
			session.MarkMessage(one, "a note")
			session.Commit()
		}
	}
	return nil
}

func (m *member) owns(count int) func() bool {
	return func() bool {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		return m.claims == count
	}
}

// join runs a member until the returned function is called.
func join(group, name string, m *member, strategy sarama.BalanceStrategy) func() {
	config := settings()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	consumer := Get(sarama.NewConsumerGroup(brokers(), group, config))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := consumer.Consume(ctx, []string{name}, m); err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		consumer.Close()
	}
}

func rebalance(strategy func() sarama.BalanceStrategy) func() {
	return func() {
		name, group := topic(4, nil), Fresh("group")
		first, second := &member{}, &member{}
		leaveFirst := join(group, name, first, strategy())
		defer leaveFirst()
		Eventually("one member owns all", first.owns(4))
		leaveSecond := join(group, name, second, strategy())
		Eventually("two members share", func() bool { return first.owns(2)() && second.owns(2)() })
		leaveSecond()
		Eventually("the one left owns all again", first.owns(4))
	}
}

func commit() {
	name, group := topic(1, nil), Fresh("group")
	Get(produce(name, numbers(5), settings()))
	m := &member{mark: true}
	leave := join(group, name, m, sarama.NewBalanceStrategyRange())
	Eventually("all are read", func() bool {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		return len(m.seen) == 5
	})
	leave()
	adm := admin()
	defer adm.Close()
	found := Get(adm.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})).GetBlock(name, 0)
	Expect("offset", found.Offset, int64(5))
	Expect("metadata", found.Metadata, "a note")
	Must(adm.DeleteConsumerGroupOffset(group, name, 0))
	Must(adm.DeleteConsumerGroup(group))
}

func adminTopics() {
	name := topic(2, nil)
	adm := admin()
	defer adm.Close()
	ExpectError("again", "already exists", adm.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	Must(adm.CreatePartitions(name, 4, nil, false))
	Eventually("four", func() bool { return len(Get(adm.DescribeTopics([]string{name}))[0].Partitions) == 4 })
	value := "99000"
	Must(adm.IncrementalAlterConfig(sarama.TopicResource, name, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false))
	Eventually("set", func() bool {
		found := Get(adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name,
			ConfigNames: []string{"retention.ms"}}))
		return len(found) == 1 && found[0].Value == value
	})
	Must(adm.DeleteTopic(name))
	Eventually("gone", func() bool {
		_, there := Get(adm.ListTopics())[name]
		return !there
	})
}

func deleteRecords() {
	name := topic(1, nil)
	Get(produce(name, numbers(10), settings()))
	adm := admin()
	defer adm.Close()
	Must(adm.DeleteRecords(name, map[int32]int64{0: 6}))
	Expect("first", readFrom(name, sarama.OffsetOldest, 1)[0].Offset, int64(6))
}

func transactional(id string) sarama.AsyncProducer {
	config := settings()
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Transaction.ID = id
	return Get(sarama.NewAsyncProducer(brokers(), config))
}

func transact(producer sarama.AsyncProducer, name, value string) {
	Must(producer.BeginTxn())
	producer.Input() <- message(name, value)
	select {
	case <-producer.Successes():
	case failed := <-producer.Errors():
		Fail("produce: %v", failed.Err)
	}
}

func committed(name string, count int) []string {
	config := settings()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer := Get(sarama.NewConsumer(brokers(), config))
	defer consumer.Close()
	partition := Get(consumer.ConsumePartition(name, 0, sarama.OffsetOldest))
	defer partition.Close()
	found := []string{}
	for len(found) < count {
		select {
		case one := <-partition.Messages():
			found = append(found, string(one.Value))
		case <-time.After(20 * time.Second):
			Fail("read %d of %d messages in 20 s", len(found), count)
		}
	}
	return found
}

func transactionCommitAndAbort() {
	name := topic(1, nil)
	producer := transactional(Fresh("txn"))
	defer producer.Close()
	transact(producer, name, "a")
	Must(producer.CommitTxn())
	transact(producer, name, "b")
	Must(producer.AbortTxn())
	transact(producer, name, "c")
	Must(producer.CommitTxn())
	Expect("committed", committed(name, 2), []string{"a", "c"})
}

func transactionCommitsOffsets() {
	name, group := topic(1, nil), Fresh("group")
	producer := transactional(Fresh("txn"))
	defer producer.Close()
	transact(producer, name, "a")
	Must(producer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{
		name: {{Partition: 0, Offset: 7}}}, group))
	Must(producer.CommitTxn())
	adm := admin()
	defer adm.Close()
	Eventually("the offset", func() bool {
		found := Get(adm.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}}))
		return found.GetBlock(name, 0).Offset == 7
	})
}

func transactionFencing() {
	name, id := topic(1, nil), Fresh("txn")
	old := transactional(id)
	transact(old, name, "old")
	successor := transactional(id)
	defer successor.Close()
	if err := old.CommitTxn(); err == nil {
		Fail("the old producer committed")
	}
	go old.Close()
	transact(successor, name, "new")
	Must(successor.CommitTxn())
	Expect("committed", committed(name, 1), []string{"new"})
}

func scramAndQuotas() {
	adm := admin()
	defer adm.Close()
	user := Fresh("user")
	set := Get(adm.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{Name: user,
		Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 8192, Salt: []byte("salt"), Password: []byte("secret")}}))
	Expect("error", set[0].ErrorCode, sarama.ErrNoError)
	Eventually("the credential", func() bool {
		found := Get(adm.DescribeUserScramCredentials([]string{user}))
		return found[0].ErrorCode == sarama.ErrNoError && found[0].CredentialInfos[0].Iterations == 8192
	})
	entity := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact,
		Name: user}}
	Must(adm.AlterClientQuotas(entity, sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1024}, false))
	Eventually("the quota", func() bool {
		found := Get(adm.DescribeClientQuotas([]sarama.QuotaFilterComponent{{EntityType: sarama.QuotaEntityUser,
			MatchType: sarama.QuotaMatchExact, Match: user}}, true))
		return len(found) == 1 && found[0].Values["producer_byte_rate"] == 1024
	})
}

func main() {
	out := func(name, reason string) Case { return Case{Name: name, Reason: reason} }
	run := func(name string, body func()) Case { return Case{Name: name, Run: body} }
	Main(Version("github.com/IBM/sarama"), []Case{
		run("metadata-auto-create", autoCreate),
		run("produce-acks", acks),
		run("codec-none", codec(sarama.CompressionNone)),
		run("codec-gzip", codec(sarama.CompressionGZIP)),
		run("codec-snappy", codec(sarama.CompressionSnappy)),
		run("codec-lz4", codec(sarama.CompressionLZ4)),
		run("codec-zstd", codec(sarama.CompressionZSTD)),
		run("older-protocol-versions", oldVersions),
		run("headers", headers),
		run("message-too-large", tooLarge),
		run("idempotent-producer", idempotent),
		run("offsets-and-timestamps", offsets),
		run("group-rebalance-range", rebalance(sarama.NewBalanceStrategyRange)),
		run("group-rebalance-sticky", rebalance(sarama.NewBalanceStrategySticky)),
		run("commit-metadata-fetched-back", commit),
		run("admin-topics", adminTopics),
		run("admin-delete-records", deleteRecords),
		run("transaction-commit-and-abort", transactionCommitAndAbort),
		run("transaction-commits-offsets", transactionCommitsOffsets),
		run("transaction-fencing", transactionFencing),
		run("scram-and-quotas", scramAndQuotas),
		out("acls", "security is a later part of the broker"),
	})
}

// franz-go: the Go client that speaks the newest versions of everything.
package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	. "sprawl/conformance/cases"
)

var ctx = context.Background()

func client(options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.SeedBrokers(Bootstrap),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.FetchMaxWait(100 * time.Millisecond)}
	return Get(kgo.NewClient(append(base, options...)...))
}

var admin = func() *kadm.Client { return kadm.NewClient(client()) }

func topic(partitions int32, configs map[string]*string) string {
	name := Fresh("franz")
	adm := admin()
	defer adm.Close()
	Must(Get(adm.CreateTopics(ctx, partitions, 1, configs, name)).Error())
	Eventually("the topic", func() bool {
		found, err := adm.ListTopics(ctx, name)
		return err == nil && found[name].Err == nil && len(found[name].Partitions) == int(partitions)
	})
	return name
}

func produce(name string, values []string, options ...kgo.Opt) ([]int64, error) {
	cl := client(append(options, kgo.DefaultProduceTopic(name), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	defer cl.Close()
	records := []*kgo.Record{}
	for _, value := range values {
		records = append(records, kgo.StringRecord(value))
	}
	results := cl.ProduceSync(ctx, records...)
	offsets := []int64{}
	for _, result := range results {
		offsets = append(offsets, result.Record.Offset)
	}
	return offsets, results.FirstErr()
}

func read(cl *kgo.Client, count int) []*kgo.Record {
	records := []*kgo.Record{}
	Eventually(fmt.Sprintf("%d records", count), func() bool {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		fetches := cl.PollFetches(short)
		for _, bad := range fetches.Errors() {
			if !errors.Is(bad.Err, context.DeadlineExceeded) {
				Fail("fetch: %v", bad.Err)
			}
		}
		records = append(records, fetches.Records()...)
		return len(records) >= count
	})
	return records
}

func readFrom(name string, offset kgo.Offset, count int, options ...kgo.Opt) []*kgo.Record {
	at := map[string]map[int32]kgo.Offset{name: {0: offset}}
	cl := client(append(options, kgo.ConsumePartitions(at))...)
	defer cl.Close()
	return read(cl, count)
}

func values(records []*kgo.Record) []string {
	found := []string{}
	for _, record := range records {
		found = append(found, string(record.Value))
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

func dense(from, to int64) []int64 {
	found := []int64{}
	for n := from; n < to; n++ {
		found = append(found, n)
	}
	return found
}

func acks(level kgo.Acks) func() {
	return func() {
		name := topic(1, nil)
		offsets := Get(produce(name, numbers(10), kgo.RequiredAcks(level), kgo.DisableIdempotentWrite()))
		Expect("values", values(readFrom(name, kgo.NewOffset().At(0), 10)), numbers(10))
		if level != kgo.NoAck() {
			Expect("offsets", offsets, dense(0, 10))
		}
	}
}

func codec(codec kgo.CompressionCodec) func() {
	return func() {
		name := topic(1, nil)
		sent := []string{}
		for n := range 100 {
			sent = append(sent, strings.Repeat(fmt.Sprint(n, " "), 200))
		}
		Get(produce(name, sent, kgo.ProducerBatchCompression(codec)))
		Expect("values", values(readFrom(name, kgo.NewOffset().At(0), 100)), sent)
	}
}

func autoCreate() {
	name := Fresh("franz-auto")
	Expect("offsets", Get(produce(name, []string{"a"}, kgo.AllowAutoTopicCreation())), dense(0, 1))
	_, err := produce(Fresh("franz-none"), []string{"a"}, kgo.UnknownTopicRetries(1))
	ExpectError("without auto creation", "UNKNOWN_TOPIC_OR_PARTITION", err)
}

func headers() {
	name := topic(1, nil)
	cl := client()
	defer cl.Close()
	record := &kgo.Record{Topic: name, Value: []byte("v"), Headers: []kgo.RecordHeader{
		{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte("2")}}}
	Must(cl.ProduceSync(ctx, record).FirstErr())
	Expect("headers", readFrom(name, kgo.NewOffset().At(0), 1)[0].Headers, record.Headers)
}

func nulls() {
	name := topic(1, nil)
	cl := client()
	defer cl.Close()
	for _, record := range []*kgo.Record{{Value: []byte("v")}, {Key: []byte("k")}, {}} {
		record.Topic = name
		Must(cl.ProduceSync(ctx, record).FirstErr())
	}
	found := readFrom(name, kgo.NewOffset().At(0), 3)
	Expect("null key", found[0].Key == nil && string(found[0].Value) == "v", true)
	Expect("null value", string(found[1].Key) == "k" && found[1].Value == nil, true)
	Expect("both", found[2].Key == nil && found[2].Value == nil, true)
}

func tooLarge() {
	name := topic(1, nil)
	big := kgo.ProducerBatchMaxBytes(5_000_000)
	_, err := produce(name, []string{strings.Repeat("x", 2_000_000)}, big, kgo.ProducerBatchCompression(kgo.NoCompression()))
	ExpectError("2 MB on default limit", "MESSAGE_TOO_LARGE", err)
	Expect("900 KB", Get(produce(name, []string{strings.Repeat("x", 900_000)}, big)), dense(0, 1))
}

func idempotent() {
	name := topic(1, nil)
	Expect("offsets", Get(produce(name, numbers(5000))), dense(0, 5000))
	Expect("order", values(readFrom(name, kgo.NewOffset().At(0), 5000)), numbers(5000))
}

func offsets() {
	name := topic(1, nil)
	Get(produce(name, numbers(100)))
	Expect("start", readFrom(name, kgo.NewOffset().AtStart(), 1)[0].Offset, int64(0))
	Expect("mid-batch", readFrom(name, kgo.NewOffset().At(57), 1)[0].Offset, int64(57))
	Expect("relative", readFrom(name, kgo.NewOffset().AtEnd().Relative(-3), 3)[0].Offset, int64(97))
	Expect("out of range resets", readFrom(name, kgo.NewOffset().At(5000), 1,
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))[0].Offset, int64(0))
	adm := admin()
	defer adm.Close()
	end := Get(adm.ListEndOffsets(ctx, name))
	found, _ := end.Lookup(name, 0)
	Expect("end", found.Offset, int64(100))
}

func timestamps() {
	name := topic(1, nil)
	cl := client()
	defer cl.Close()
	records := []*kgo.Record{}
	base := time.UnixMilli(1_600_000_000_000)
	for n := range 10 {
		records = append(records, &kgo.Record{Topic: name, Value: []byte("v"), Timestamp: base.Add(time.Duration(n) * time.Second)})
	}
	Must(cl.ProduceSync(ctx, records...).FirstErr())
	adm := admin()
	defer adm.Close()
	for _, pair := range [][2]int64{{0, 0}, {1, 1}, {4500, 5}, {9000, 9}} {
		listed := Get(adm.ListOffsetsAfterMilli(ctx, base.UnixMilli()+pair[0], name))
		found, _ := listed.Lookup(name, 0)
		Expect(fmt.Sprint("offset after ", pair[0]), found.Offset, pair[1])
	}
	listed := Get(adm.ListMaxTimestampOffsets(ctx, name))
	found, _ := listed.Lookup(name, 0)
	Expect("max timestamp", [2]int64{found.Offset, found.Timestamp}, [2]int64{9, base.UnixMilli() + 9000})
	Expect("kept", readFrom(name, kgo.NewOffset().At(3), 1)[0].Timestamp.UnixMilli(), base.UnixMilli()+3000)
	kind := "LogAppendTime"
	stamped := topic(1, map[string]*string{"message.timestamp.type": &kind})
	before := time.Now().Add(-5 * time.Second)
	Get(produce(stamped, []string{"v"}))
	one := readFrom(stamped, kgo.NewOffset().At(0), 1)[0]
	Expect("stamped", one.Timestamp.After(before) && one.Attrs.TimestampType() == 1, true)
}

func member(group, name string, options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	return client(append(base, options...)...)
}

// owners tells how many partitions each member has, once the group is stable.
func owners(group string) []int {
	adm := admin()
	defer adm.Close()
	groups, err := adm.DescribeGroups(ctx, group)
	if err != nil {
		return nil // a coordinator may not be there at once
	}
	found := groups[group]
	counts := []int{}
	for _, one := range found.Members {
		assigned, ok := one.Assigned.AsConsumer()
		if found.State != "Stable" || !ok {
			return nil
		}
		count := 0
		for _, topic := range assigned.Topics {
			count += len(topic.Partitions)
		}
		counts = append(counts, count)
	}
	sort.Ints(counts)
	return counts
}

func rebalance(balancer kgo.GroupBalancer) func() {
	return func() {
		name, group := topic(4, nil), Fresh("group")
		first := member(group, name, kgo.Balancers(balancer))
		defer first.Close()
		is := func(expected ...int) func() bool {
			return func() bool { return fmt.Sprint(owners(group)) == fmt.Sprint(expected) }
		}
		Eventually("one member owns all", is(4))
		second := member(group, name, kgo.Balancers(balancer))
		Eventually("two members share", is(2, 2))
		second.Close()
		Eventually("the one left owns all again", is(4))
	}
}

func static() {
	name, group := topic(2, nil), Fresh("group")
	first := member(group, name, kgo.InstanceID("one"))
	Eventually("the member owns all", func() bool { return fmt.Sprint(owners(group)) == "[2]" })
	first.Close()
	adm := admin()
	defer adm.Close()
	found := Get(adm.DescribeGroups(ctx, group))[group]
	Expect("kept while away", len(found.Members), 1)
	Expect("instance", *found.Members[0].InstanceID, "one")
	left := Get(adm.LeaveGroup(ctx, kadm.LeaveGroup(group).InstanceIDs("one")))
	Must(left.Error())
	Eventually("empty", func() bool { return Get(adm.DescribeGroups(ctx, group))[group].State == "Empty" })
}

func commit() {
	name, group := topic(1, nil), Fresh("group")
	Get(produce(name, numbers(10)))
	adm := admin()
	defer adm.Close()
	sent := kadm.Offsets{}
	sent.Add(kadm.Offset{Topic: name, Partition: 0, At: 4, LeaderEpoch: 0, Metadata: "a note"})
	Must(adm.CommitAllOffsets(ctx, group, sent))
	found, _ := Get(adm.FetchOffsets(ctx, group)).Lookup(name, 0)
	Expect("offset", found.At, int64(4))
	Expect("metadata", found.Metadata, "a note")
	cl := member(group, name)
	defer cl.Close()
	Expect("resumes", read(cl, 1)[0].Offset, int64(4))
}

func adminTopics() {
	name := topic(3, nil)
	adm := admin()
	defer adm.Close()
	again := Get(adm.CreateTopics(ctx, 1, 1, nil, name))
	ExpectError("again", "TOPIC_ALREADY_EXISTS", again[name].Err)
	listed := Get(adm.ListTopics(ctx, name))
	Expect("a topic id", listed[name].ID == kadm.TopicID{}, false)
	Must(Get(adm.UpdatePartitions(ctx, 5, name)).Error())
	Eventually("five", func() bool { return len(Get(adm.ListTopics(ctx, name))[name].Partitions) == 5 })
	value := "99000"
	Must(Get(adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, name))[0].Err)
	Eventually("set", func() bool {
		found := Get(Get(adm.DescribeTopicConfigs(ctx, name)).On(name, nil))
		for _, config := range found.Configs {
			if config.Key == "retention.ms" {
				return *config.Value == value && config.Source == kmsg.ConfigSourceDynamicTopicConfig
			}
		}
		return false
	})
	Must(Get(adm.DeleteTopics(ctx, name)).Error())
	Eventually("gone", func() bool { return Get(adm.ListTopics(ctx, name))[name].Err != nil })
}

func deleteRecords() {
	name := topic(1, nil)
	Get(produce(name, numbers(10)))
	adm := admin()
	defer adm.Close()
	before := kadm.Offsets{}
	before.Add(kadm.Offset{Topic: name, Partition: 0, At: 6})
	answer, _ := Get(adm.DeleteRecords(ctx, before)).Lookup(name, 0)
	Must(answer.Err)
	Expect("low watermark", answer.LowWatermark, int64(6))
	found, _ := Get(adm.ListStartOffsets(ctx, name)).Lookup(name, 0)
	Expect("start", found.Offset, int64(6))
}

func adminGroups() {
	name, group := topic(1, nil), Fresh("group")
	cl := member(group, name)
	Eventually("the member owns it", func() bool { return fmt.Sprint(owners(group)) == "[1]" })
	adm := admin()
	defer adm.Close()
	Expect("listed", Get(adm.ListGroups(ctx))[group].State, "Stable")
	ExpectError("in use", "NON_EMPTY_GROUP", Get(adm.DeleteGroups(ctx, group))[group].Err)
	cl.Close()
}

func keyless() {
	compact := "compact"
	name := topic(1, map[string]*string{"cleanup.policy": &compact})
	_, err := produce(name, []string{"v"})
	if !errors.Is(err, kerr.InvalidRecord) {
		Fail("expected INVALID_RECORD, found %v", err)
	}
}

func offsetForLeaderEpoch() {
	name := topic(1, nil)
	Get(produce(name, numbers(7)))
	adm := admin()
	defer adm.Close()
	request := kadm.OffsetForLeaderEpochRequest{}
	request.Add(name, 0, 0)
	found := Get(adm.OffsetForLeaderEpoch(ctx, request))[name][0]
	Must(found.Err)
	Expect("end of epoch 0", [2]int64{int64(found.LeaderEpoch), found.EndOffset}, [2]int64{0, 7})
}

func unknownApi() {
	cl := client()
	defer cl.Close()
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.ClientSoftwareName, versions.ClientSoftwareVersion = "conformance", "1"
	found := Get(versions.RequestWith(ctx, cl))
	keys := map[int16][2]int16{}
	for _, key := range found.ApiKeys {
		keys[key.ApiKey] = [2]int16{key.MinVersion, key.MaxVersion}
	}
	Expect("Produce", keys[0], [2]int16{0, 13})
	Expect("Fetch", keys[1], [2]int16{4, 18})
	Expect("ApiVersions", keys[18], [2]int16{0, 4})
}

func transactional(id string) *kgo.Client {
	return client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

func transact(cl *kgo.Client, name string, value string, end kgo.TransactionEndTry) {
	Must(cl.BeginTransaction())
	Must(cl.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte(value)}).FirstErr())
	Must(cl.EndTransaction(ctx, end))
}

func committed(name string, count int) []string {
	return values(readFrom(name, kgo.NewOffset().AtStart(), count, kgo.FetchIsolationLevel(kgo.ReadCommitted())))
}

func transactionCommitAndAbort() {
	name := topic(1, nil)
	cl := transactional(Fresh("txn"))
	defer cl.Close()
	transact(cl, name, "a", kgo.TryCommit)
	transact(cl, name, "b", kgo.TryAbort)
	transact(cl, name, "c", kgo.TryCommit)
	Expect("committed", committed(name, 2), []string{"a", "c"})
}

func transactionFencing() {
	name, id := topic(1, nil), Fresh("txn")
	old, successor := transactional(id), transactional(id)
	defer old.Close()
	defer successor.Close()
	Must(old.BeginTransaction())
	Must(old.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte("old")}).FirstErr())
	transact(successor, name, "new", kgo.TryCommit)
	err := old.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
		Fail("the old producer committed: %v", err)
	}
	Expect("committed", committed(name, 1), []string{"new"})
}

func groupTransactSession() {
	source, sink, group := topic(2, nil), topic(1, nil), Fresh("group")
	_, err := produce(source, numbers(30))
	Must(err)
	session := Get(kgo.NewGroupTransactSession(kgo.SeedBrokers(Bootstrap), kgo.TransactionalID(Fresh("txn")),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets(),
		kgo.RecordPartitioner(kgo.ManualPartitioner())))
	defer session.Close()
	copied := 0
	Eventually("every record", func() bool {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		fetches := session.PollRecords(short, 10)
		if fetches.NumRecords() == 0 {
			return false
		}
		Must(session.Begin())
		for _, record := range fetches.Records() {
			Must(session.ProduceSync(ctx, &kgo.Record{Topic: sink, Value: record.Value}).FirstErr())
		}
		if Get(session.End(ctx, kgo.TryCommit)) {
			copied += fetches.NumRecords()
		}
		return copied == 30
	})
	found := committed(sink, 30)
	sort.Strings(found)
	expected := numbers(30)
	sort.Strings(expected)
	Expect("copied", found, expected)
}

func adminTransactions() {
	name, id := topic(1, nil), Fresh("txn")
	cl, adm := transactional(id), admin()
	defer cl.Close()
	defer adm.Close()
	Must(cl.BeginTransaction())
	Must(cl.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte("open")}).FirstErr())
	Expect("listed", Get(adm.ListTransactions(ctx, nil, nil))[id].State, "Ongoing")
	found := Get(adm.DescribeTransactions(ctx, id))[id]
	Must(found.Err)
	Expect("described", found.State, "Ongoing")
	producers := Get(adm.DescribeProducers(ctx, kadm.TopicsSet{name: {0: {}}}))
	Expect("producers", len(producers.SortedProducers()), 1)
	Expect("producer", producers.SortedProducers()[0].ProducerID, found.ProducerID)
	Must(cl.EndTransaction(ctx, kgo.TryAbort))
}

// nextGen makes clients use the KIP-848 protocol, which franz-go does when told by its context.
func nextGen() kgo.Opt {
	return kgo.ServerSideBalancer()
}

func consumerProtocol() {
	name, group := topic(4, nil), Fresh("group")
	adm := admin()
	defer adm.Close()
	join := func() *kgo.Client {
		return client(nextGen(), kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
			kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	sizes := func() []int {
		described := Get(adm.DescribeConsumerGroups(ctx, group))[group]
		found := []int{}
		for _, member := range described.Members {
			count := 0
			for _, partitions := range member.Assignment {
				count += len(partitions)
			}
			found = append(found, count)
		}
		return found
	}
	poll := func(members ...*kgo.Client) {
		for _, member := range members {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			member.PollFetches(short)
			cancel()
		}
	}
	first := join()
	defer first.Close()
	Eventually("one owns all", func() bool { poll(first); return fmt.Sprint(sizes()) == "[4]" })
	second := join()
	Eventually("both share", func() bool { poll(first, second); return fmt.Sprint(sizes()) == "[2 2]" })
	second.Close()
	Eventually("one owns all again", func() bool { poll(first); return fmt.Sprint(sizes()) == "[4]" })
}

func shareGroup() {
	name, group := topic(1, nil), Fresh("share")
	earliest := "earliest"
	set := kmsg.NewPtrIncrementalAlterConfigsRequest()
	set.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig,
		ResourceName: group, Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{
			Name: "share.auto.offset.reset", Value: &earliest}}}}
	cl := client(kgo.ShareGroup(group), kgo.ConsumeTopics(name))
	defer cl.Close()
	Must(kerr.ErrorForCode(Get(set.RequestWith(ctx, cl)).Resources[0].ErrorCode))
	_, err := produce(name, []string{"accept", "release", "reject"})
	Must(err)
	seen := []string{}
	Eventually("the released one again", func() bool {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		for _, record := range cl.PollFetches(short).Records() {
			value := string(record.Value)
			switch {
			case value == "reject":
				record.Ack(kgo.AckReject)
			case value == "release" && !strings.Contains(strings.Join(seen, " "), "release"):
				record.Ack(kgo.AckRelease)
			default:
				record.Ack(kgo.AckAccept)
			}
			seen = append(seen, value)
		}
		Must(cl.FlushAcks(ctx))
		return len(seen) >= 4
	})
	sort.Strings(seen)
	Expect("deliveries", seen, []string{"accept", "reject", "release", "release"})
}

func scramAndQuotas() {
	adm := admin()
	defer adm.Close()
	user := Fresh("user")
	set := Get(adm.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha256,
		Iterations: 8192, Password: "secret"}}))
	Must(set[user].Err)
	Eventually("the credential", func() bool {
		found := Get(adm.DescribeUserSCRAMs(ctx, user))[user]
		return found.Err == nil && len(found.CredInfos) == 1 && found.CredInfos[0].Iterations == 8192
	})
	gone := Get(adm.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: user, Mechanism: kadm.ScramSha256}}, nil))
	Must(gone[user].Err)
	entity := kadm.ClientQuotaEntity{{Type: "user", Name: &user}}
	altered := Get(adm.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity,
		Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1024}}}}))
	Must(altered[0].Err)
	Eventually("the quota", func() bool {
		found := Get(adm.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "user",
			MatchName: &user, MatchType: kmsg.QuotasMatchTypeExact}}))
		return len(found) == 1 && len(found[0].Values) == 1 && found[0].Values[0].Value == 1024
	})
}

func oneBrokerAdmin() {
	adm := admin()
	defer adm.Close()
	name := topic(1, nil)
	elected := Get(adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{name: {0: {}}}))
	if !errors.Is(elected[name][0].Err, kerr.ElectionNotNeeded) {
		Fail("election: %v", elected[name][0].Err)
	}
	node := Get(adm.ListBrokers(ctx)).NodeIDs()[0]
	moved := Get(adm.AlterPartitionAssignments(ctx, kadm.AlterPartitionAssignmentsReq{name: {0: {node}}}))
	Must(moved.Error())
	Eventually("nothing moves", func() bool {
		return len(Get(adm.ListPartitionReassignments(ctx, kadm.TopicsSet{name: {0: {}}}))) == 0
	})
}

func main() {
	out := func(name, reason string) Case { return Case{Name: name, Reason: reason} }
	run := func(name string, body func()) Case { return Case{Name: name, Run: body} }
	Main(Version("github.com/twmb/franz-go"), []Case{
		run("metadata-auto-create", autoCreate),
		run("api-versions-ranges", unknownApi),
		run("produce-acks-0", acks(kgo.NoAck())),
		run("produce-acks-1", acks(kgo.LeaderAck())),
		run("produce-acks-all", acks(kgo.AllISRAcks())),
		run("codec-none", codec(kgo.NoCompression())),
		run("codec-gzip", codec(kgo.GzipCompression())),
		run("codec-snappy", codec(kgo.SnappyCompression())),
		run("codec-lz4", codec(kgo.Lz4Compression())),
		run("codec-zstd", codec(kgo.ZstdCompression())),
		run("headers", headers),
		run("null-keys-and-values", nulls),
		run("message-too-large", tooLarge),
		run("idempotent-producer", idempotent),
		run("offsets-start-mid-end-and-reset", offsets),
		run("timestamps-kept-looked-up-and-stamped", timestamps),
		run("group-rebalance-range", rebalance(kgo.RangeBalancer())),
		run("group-rebalance-cooperative", rebalance(kgo.CooperativeStickyBalancer())),
		run("static-membership-and-leave-by-instance", static),
		run("commit-metadata-fetched-back", commit),
		run("offset-for-leader-epoch", offsetForLeaderEpoch),
		run("admin-topics", adminTopics),
		run("admin-delete-records", deleteRecords),
		run("admin-groups", adminGroups),
		run("keyless-refused-on-compacted-topic", keyless),
		run("transaction-commit-and-abort", transactionCommitAndAbort),
		run("transaction-fencing", transactionFencing),
		run("group-transact-session", groupTransactSession),
		run("admin-transactions", adminTransactions),
		run("group-protocol-consumer", consumerProtocol),
		run("share-group", shareGroup),
		run("scram-and-quotas", scramAndQuotas),
		run("elections-and-reassignments", oneBrokerAdmin),
		out("acls", "security is a later part of the broker"),
	})
}

// segmentio/kafka-go: a Go client with its own ideas of how to read, and old versions of the group requests.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	. "sprawl/conformance/cases"
)

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(Bootstrap), Timeout: 15 * time.Second}
}

func topic(partitions int) string {
	name := Fresh("kafka-go")
	ctx, cancel := within()
	defer cancel()
	created := Get(client().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}}}))
	Must(created.Errors[name])
	Eventually("the topic", func() bool {
		found, err := client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		return err == nil && found.Topics[0].Error == nil && len(found.Topics[0].Partitions) == partitions
	})
	return name
}

func writer(name string) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(Bootstrap), Topic: name, BatchTimeout: 10 * time.Millisecond,
		RequiredAcks: kafka.RequireAll}
}

func write(writer *kafka.Writer, count int) error {
	ctx, cancel := within()
	defer cancel()
	defer writer.Close()
	messages := []kafka.Message{}
	for n := range count {
		messages = append(messages, kafka.Message{Key: []byte("k"), Value: []byte(fmt.Sprint(n)),
			Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}})
	}
	return writer.WriteMessages(ctx, messages...)
}

func read(reader *kafka.Reader, count int) []kafka.Message {
	ctx, cancel := within()
	defer cancel()
	found := []kafka.Message{}
	for len(found) < count {
		message, err := reader.FetchMessage(ctx)
		if ctx.Err() != nil {
			Fail("read %d of %d messages in time: %v", len(found), count, err)
		}
		if err == nil { // the client reports, and leaves to us, that a coordinator is not ready yet
			found = append(found, message)
		}
	}
	return found
}

func reader(name string, offset int64) *kafka.Reader {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, Topic: name, MaxWait: 100 * time.Millisecond})
	Must(reader.SetOffset(offset))
	return reader
}

func check(name string, count int) {
	r := reader(name, kafka.FirstOffset)
	defer r.Close()
	for n, one := range read(r, count) {
		Expect("value", string(one.Value), fmt.Sprint(n))
		Expect("offset", one.Offset, int64(n))
		Expect("header", one.Headers, []kafka.Header{{Key: "h", Value: []byte("1")}})
	}
}

func autoCreate() {
	name := Fresh("kafka-go-auto")
	w := writer(name)
	w.AllowAutoTopicCreation = true
	Eventually("the first write", func() bool {
		ctx, cancel := within()
		defer cancel()
		return w.WriteMessages(ctx, kafka.Message{Value: []byte("a")}) == nil
	})
	w.Close()
}

func acks() {
	for _, level := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		name := topic(1)
		w := writer(name)
		w.RequiredAcks = level
		Must(write(w, 10))
		check(name, 10)
	}
}

func codec(codec kafka.Compression) func() {
	return func() {
		name := topic(1)
		w := writer(name)
		w.Compression = codec
		Must(write(w, 100))
		check(name, 100)
	}
}

func tooLarge() {
	name := topic(1)
	w := writer(name)
	w.BatchBytes = 5_000_000
	ctx, cancel := within()
	defer cancel()
	err := w.WriteMessages(ctx, kafka.Message{Value: make([]byte, 2_000_000)})
	var all kafka.WriteErrors
	if !errors.As(err, &all) || !errors.Is(all[0], kafka.MessageSizeTooLarge) {
		Fail("expected MessageSizeTooLarge, found %v", err)
	}
}

func offsets() {
	name := topic(1)
	Must(write(writer(name), 20))
	r := reader(name, 13)
	defer r.Close()
	Expect("mid-batch", string(read(r, 1)[0].Value), "13")
	ctx, cancel := within()
	defer cancel()
	Must(r.SetOffsetAt(ctx, time.UnixMilli(0)))
	Expect("from time 0", read(r, 1)[0].Offset, int64(0))
	found := Get(client().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		name: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}}))
	Expect("ends", [2]int64{found.Topics[name][0].FirstOffset, found.Topics[name][0].LastOffset}, [2]int64{0, 20})
}

func lowLevel() {
	name := topic(1)
	ctx, cancel := within()
	defer cancel()
	conn := Get(kafka.DialLeader(ctx, "tcp", Bootstrap, name, 0))
	defer conn.Close()
	Get(conn.WriteMessages(kafka.Message{Value: []byte("a")}, kafka.Message{Value: []byte("b")}))
	batch := conn.ReadBatch(1, 1_000_000)
	Expect("first", string(Get(batch.ReadMessage()).Value), "a")
	Expect("second", string(Get(batch.ReadMessage()).Value), "b")
	if _, err := batch.ReadMessage(); !errors.Is(err, io.EOF) {
		Fail("expected the end, found %v", err)
	}
	Must(batch.Close())
}

func group(name, id string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, GroupID: id, Topic: name,
		MaxWait: 100 * time.Millisecond, HeartbeatInterval: 200 * time.Millisecond, StartOffset: kafka.FirstOffset,
		RebalanceTimeout: 10 * time.Second, JoinGroupBackoff: 200 * time.Millisecond})
}

func groupResumes() {
	name, id := topic(1), Fresh("group")
	Must(write(writer(name), 10))
	ctx, cancel := within()
	defer cancel()
	first := group(name, id)
	messages := read(first, 10)
	Eventually("the commit", func() bool { return first.CommitMessages(ctx, messages[5]) == nil })
	first.Close()
	second := group(name, id)
	defer second.Close()
	Expect("resumes", read(second, 1)[0].Offset, int64(6))
	Eventually("the committed offset", func() bool {
		found, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: id, Topics: map[string][]int{name: {0}}})
		return err == nil && found.Topics[name][0].CommittedOffset == 6
	})
}

func groupRebalance() {
	name, id := topic(4), Fresh("group")
	first := group(name, id)
	defer first.Close()
	owners := func(expected string) func() bool {
		return func() bool {
			ctx, cancel := within()
			defer cancel()
			found, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{id}})
			if err != nil {
				return false
			}
			counts := []int{}
			for _, member := range found.Groups[0].Members {
				count := 0
				for _, topic := range member.MemberAssignments.Topics {
					count += len(topic.Partitions)
				}
				counts = append(counts, count)
			}
			return found.Groups[0].GroupState == "Stable" && fmt.Sprint(counts) == expected
		}
	}
	Eventually("one member owns all", owners("[4]"))
	second := group(name, id)
	Eventually("two members share", owners("[2 2]"))
	second.Close()
	Eventually("the one left owns all again", owners("[4]"))
}

func adminTopics() {
	name := topic(2)
	ctx, cancel := within()
	defer cancel()
	again := Get(client().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: name, NumPartitions: 1, ReplicationFactor: 1}}}))
	ExpectError("again", "already exists", again.Errors[name])
	found := Get(client().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: name, ConfigNames: []string{"cleanup.policy"}}}}))
	Expect("config", found.Resources[0].ConfigEntries[0].ConfigValue, "delete")
	grown := Get(client().CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{
		{Name: name, Count: 4}}}))
	Must(grown.Errors[name])
	gone := Get(client().DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}}))
	Must(gone.Errors[name])
	listed := Get(client().ListGroups(ctx, &kafka.ListGroupsRequest{}))
	Must(listed.Error)
}

// transactions carries offsets alone: the library writes no transactional batches.
func transactions() {
	ctx, cancel := within()
	defer cancel()
	name, id, group := topic(1), Fresh("txn"), Fresh("group")
	committedOffset := func() (int64, error) {
		found, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group,
			Topics: map[string][]int{name: {0}}})
		if err != nil || found.Error != nil {
			return 0, errors.Join(err, found.Error)
		}
		return found.Topics[name][0].CommittedOffset, found.Topics[name][0].Error
	}
	// The first requests make the coordinators load; this client does not wait for it.
	Eventually("the coordinator", func() bool { _, err := committedOffset(); return err == nil })
	var session *kafka.ProducerSession
	Eventually("a producer id", func() bool {
		begun := Get(client().InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: id,
			TransactionTimeoutMs: 30000}))
		session = begun.Producer
		return begun.Error == nil
	})
	offsets := Get(client().AddOffsetsToTxn(ctx, &kafka.AddOffsetsToTxnRequest{TransactionalID: id,
		ProducerID: session.ProducerID, ProducerEpoch: session.ProducerEpoch, GroupID: group}))
	Must(offsets.Error)
	commit := Get(client().TxnOffsetCommit(ctx, &kafka.TxnOffsetCommitRequest{TransactionalID: id, GroupID: group,
		ProducerID: session.ProducerID, ProducerEpoch: session.ProducerEpoch, GenerationID: -1,
		Topics: map[string][]kafka.TxnOffsetCommit{name: {{Partition: 0, Offset: 7}}}}))
	Must(commit.Topics[name][0].Error)
	Expect("before the end", Get(committedOffset()), int64(-1))
	ended := Get(client().EndTxn(ctx, &kafka.EndTxnRequest{TransactionalID: id, ProducerID: session.ProducerID,
		ProducerEpoch: session.ProducerEpoch, Committed: true}))
	Must(ended.Error)
	Eventually("the offset", func() bool { return Get(committedOffset()) == 7 })
}

func main() {
	out := func(name, reason string) Case { return Case{Name: name, Reason: reason} }
	run := func(name string, body func()) Case { return Case{Name: name, Run: body} }
	Main(Version("github.com/segmentio/kafka-go"), []Case{
		run("metadata-auto-create", autoCreate),
		run("produce-acks", acks),
		run("codec-gzip", codec(kafka.Gzip)),
		run("codec-snappy", codec(kafka.Snappy)),
		run("codec-lz4", codec(kafka.Lz4)),
		run("codec-zstd", codec(kafka.Zstd)),
		run("message-too-large", tooLarge),
		run("offsets-and-mid-batch", offsets),
		run("connection-read-and-write", lowLevel),
		run("group-resumes-from-commit", groupResumes),
		run("group-rebalance", groupRebalance),
		run("admin-topics", adminTopics),
		run("transaction-commits-offsets", transactions),
		out("acls-and-sasl", "security is a later part of the broker"),
	})
}

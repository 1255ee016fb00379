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
		out("transactions", "transactions are a later part of the broker"),
		out("group-protocol-consumer", "the KIP-848 protocol is a later part of the broker"),
		out("share-groups", "share groups are a later part of the broker"),
		out("acls-and-scram", "security is a later part of the broker"),
	})
}

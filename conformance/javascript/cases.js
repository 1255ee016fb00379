// kafkajs: the JavaScript client. Same lines out as conformance.py describes.
'use strict'

const assert = require('node:assert/strict')
const { randomUUID } = require('node:crypto')
const {
  AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, KafkaJSProtocolError, logLevel
} = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec

const CASE_MS_MAX = 90_000
const kafka = new Kafka({ brokers: [process.env.BOOTSTRAP], logLevel: logLevel.NOTHING, retry: { retries: 5 } })
const admin = kafka.admin()
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const fresh = (prefix) => `${prefix}-${randomUUID().slice(0, 13)}`

async function eventually(what, check, ms = 40_000) {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await check()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}, in vain`)
    await pause(20)
  }
}

async function expectError(what, type, call) {
  let found
  try {
    found = `success: ${JSON.stringify(await call())}`
  } catch (error) {
    const all = [error, ...(error.errors ?? []), ...(error.groups ?? []).map((one) => one.error), error.cause].filter(Boolean)
    if (all.some((one) => one.type === type)) return
    found = `${error.name} ${error.type}: ${error.message}`
  }
  throw new Error(`${what}: expected ${type}, found ${found}`)
}

async function topic(numPartitions = 1, config = {}) {
  const name = fresh('kafkajs')
  const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions, configEntries }] })
  return name
}

async function produce(name, messages, options = {}, client = {}) {
  const producer = kafka.producer(client)
  await producer.connect()
  try {
    const sent = messages.map((one) => ({ partition: 0, ...(typeof one === 'string' ? { value: one } : one) }))
    return await producer.send({ topic: name, messages: sent, ...options })
  } finally {
    await producer.disconnect()
  }
}

// Runs a transactional producer while `body` runs.
async function transacting(transactionalId, body) {
  const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true, retry: { retries: 5 } })
  await producer.connect()
  try {
    return await body(producer)
  } finally {
    await producer.disconnect()
  }
}

// Runs a group member while `body` runs; hands it the messages seen so far.
async function consuming(name, options, body) {
  const { groupId = fresh('group'), fromBeginning = true, ...rest } = options
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, sessionTimeout: 6000, maxWaitTimeInMs: 100, ...rest })
  const seen = []
  await consumer.connect()
  await consumer.subscribe({ topics: [name], fromBeginning })
  await consumer.run({ autoCommit: false, eachMessage: async (one) => { seen.push(one) } })
  try {
    return await body(seen, consumer)
  } finally {
    await consumer.disconnect()
  }
}

const readAll = (name, count) =>
  consuming(name, {}, async (seen) => {
    await eventually(`${count} messages`, () => seen.length >= count)
    return seen.map((one) => one.message)
  })

const texts = (messages) => messages.map((one) => one.value?.toString())
const numbers = (count) => Array.from({ length: count }, (_, n) => `${n}`)

const codec = (compression) => async () => {
  const name = await topic()
  const values = numbers(100).map((n) => `${n} `.repeat(200))
  await produce(name, values, { compression })
  assert.deepEqual(texts(await readAll(name, 100)), values)
}

const members = async (groupId) => {
  const { groups: [group] } = await admin.describeGroups([groupId])
  if (group.state !== 'Stable') return []
  return group.members
    .map((one) => AssignerProtocol.MemberAssignment.decode(one.memberAssignment)?.assignment ?? {})
    .map((assignment) => Object.values(assignment).flat().length)
}

const CASES = {
  'metadata-auto-create': async () => {
    const name = fresh('kafkajs-auto')
    const [sent] = await produce(name, ['a'])
    assert.equal(sent.baseOffset, '0')
    assert.ok((await admin.listTopics()).includes(name))
  },
  'produce-acks': async () => {
    for (const acks of [0, 1, -1]) {
      const name = await topic()
      await produce(name, numbers(10), { acks })
      assert.deepEqual(texts(await readAll(name, 10)), numbers(10))
    }
  },
  'codec-none': codec(CompressionTypes.None),
  'codec-gzip': codec(CompressionTypes.GZIP),
  'codec-snappy': codec(CompressionTypes.Snappy),
  'headers-keys-and-tombstones': async () => {
    const name = await topic()
    await produce(name, [{ key: 'k', value: 'v', headers: { a: '1', b: ['2', '3'] } }, { key: 'k', value: null }])
    const [first, second] = await readAll(name, 2)
    assert.equal(first.headers.a.toString(), '1')
    assert.deepEqual(first.headers.b.map(String), ['2', '3'])
    assert.deepEqual([second.key.toString(), second.value], ['k', null])
  },
  'message-too-large': async () => {
    const name = await topic()
    await expectError('2 MB on default limit', 'MESSAGE_TOO_LARGE', () => produce(name, ['x'.repeat(2_000_000)]))
    await produce(name, ['x'.repeat(900_000)])
  },
  'idempotent-producer': async () => {
    const name = await topic()
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (let n = 0; n < 10; n++) {
      const [sent] = await producer.send({ topic: name, messages: numbers(50).map((value) => ({ value })) })
      assert.equal(sent.baseOffset, `${n * 50}`)
    }
    await producer.disconnect()
  },
  'offsets-and-timestamps': async () => {
    const name = await topic()
    const base = 1_600_000_000_000
    await produce(name, numbers(10).map((value) => ({ value, timestamp: `${base + value * 1000}` })))
    const [all] = await admin.fetchTopicOffsets(name)
    assert.deepEqual([all.low, all.high], ['0', '10'])
    const [middle] = await admin.fetchTopicOffsetsByTimestamp(name, base + 4500)
    assert.equal(middle.offset, '5')
    const [first] = await readAll(name, 1)
    assert.equal(first.timestamp, `${base}`)
  },
  'seek-mid-batch': async () => {
    const name = await topic()
    await produce(name, numbers(100))
    await consuming(name, {}, async (seen, consumer) => {
      await eventually('all', () => seen.length === 100)
      consumer.seek({ topic: name, partition: 0, offset: '57' })
      await eventually('the message at 57', () => seen[100]?.message.offset === '57')
    })
  },
  'consume-latest': async () => {
    const name = await topic()
    await produce(name, ['before'])
    await consuming(name, { fromBeginning: false }, async (seen, consumer) => {
      await eventually('the position', async () => {
        await produce(name, ['after'])
        return seen.length > 0
      })
      assert.equal(seen[0].message.value.toString(), 'after')
      await consumer.stop()
    })
  },
  'group-rebalance': async () => {
    const name = await topic(4)
    const groupId = fresh('group')
    const is = (expected) => async () => JSON.stringify(await members(groupId)) === JSON.stringify(expected)
    await consuming(name, { groupId }, async () => {
      await eventually('one member owns all', is([4]))
      await consuming(name, { groupId }, () => eventually('two members share', is([2, 2])))
      await eventually('the one left owns all again', is([4]))
    })
  },
  'group-resumes-from-commit-with-metadata': async () => {
    const name = await topic()
    const groupId = fresh('group')
    await produce(name, numbers(10))
    await consuming(name, { groupId }, async (seen, consumer) => {
      await eventually('all', () => seen.length === 10)
      await consumer.commitOffsets([{ topic: name, partition: 0, offset: '6', metadata: 'a note' }])
    })
    const [found] = await admin.fetchOffsets({ groupId, topics: [name] })
    assert.deepEqual([found.partitions[0].offset, found.partitions[0].metadata], ['6', 'a note'])
    await consuming(name, { groupId }, async (seen) => {
      await eventually('a message', () => seen.length > 0)
      assert.equal(seen[0].message.offset, '6')
    })
  },
  'admin-topics': async () => {
    const name = await topic(2)
    assert.equal(await admin.createTopics({ topics: [{ topic: name }] }), false)
    await expectError('bad name', 'INVALID_TOPIC_EXCEPTION', () => admin.createTopics({ topics: [{ topic: 'no good!' }] }))
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] })
    await eventually('four', async () =>
      (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length === 4)
    await admin.deleteTopics({ topics: [name] })
    await eventually('gone', async () => !(await admin.listTopics()).includes(name))
  },
  'admin-configs': async () => {
    const name = await topic(1, { 'retention.ms': '12345' })
    const resource = { type: ConfigResourceTypes.TOPIC, name }
    const value = async (key) => {
      const { resources: [found] } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false })
      return found.configEntries.find((entry) => entry.configName === key).configValue
    }
    assert.equal(await value('retention.ms'), '12345')
    assert.equal(await value('cleanup.policy'), 'delete')
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'segment.ms', value: '777000' }] }] })
    await eventually('set', async () => (await value('segment.ms')) === '777000')
    assert.equal(await value('retention.ms'), '604800000')
  },
  'admin-delete-records': async () => {
    const name = await topic()
    await produce(name, numbers(10))
    assert.equal((await admin.fetchTopicOffsets(name))[0].low, '0')
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '6' }] })
    const [found] = await admin.fetchTopicOffsets(name)
    assert.equal(found.low, '6')
  },
  'admin-groups': async () => {
    const name = await topic()
    const groupId = fresh('group')
    await produce(name, numbers(3))
    await consuming(name, { groupId }, async (seen) => {
      await eventually('all', () => seen.length === 3)
      assert.ok((await admin.listGroups()).groups.some((one) => one.groupId === groupId))
      await expectError('delete while in use', 'NON_EMPTY_GROUP', () => admin.deleteGroups([groupId]))
    })
    await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 0, offset: '1' }] })
    await admin.resetOffsets({ groupId, topic: name, earliest: true })
    await admin.deleteGroups([groupId])
    assert.ok(!(await admin.listGroups()).groups.some((one) => one.groupId === groupId))
  },
  'admin-describe-cluster': async () => {
    const found = await admin.describeCluster()
    assert.equal(found.brokers.length, 1)
    assert.ok(found.clusterId)
  },
  'keyless-refused-on-compacted-topic': async () => {
    const name = await topic(1, { 'cleanup.policy': 'compact' })
    await assert.rejects(produce(name, ['v']), (error) => [error, error.cause].some((one) =>
      one instanceof KafkaJSProtocolError || /87|INVALID_RECORD|Unknown error/.test(`${one?.message} ${one?.code}`)))
    await produce(name, [{ key: 'k', value: 'v' }])
  },
  'log-append-time': async () => {
    const name = await topic(1, { 'message.timestamp.type': 'LogAppendTime' })
    const before = Date.now() - 5000
    await produce(name, [{ value: 'v', timestamp: '1500000000123' }])
    const [found] = await readAll(name, 1)
    assert.ok(Number(found.timestamp) >= before, `stamped ${found.timestamp}`)
  },
  'transaction-commit-and-abort': async () => {
    const name = await topic()
    await transacting(fresh('txn'), async (producer) => {
      for (const [value, end] of [['a', 'commit'], ['b', 'abort'], ['c', 'commit']]) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: name, messages: [{ value, partition: 0 }] })
        await transaction[end]()
      }
    })
    assert.deepEqual(texts(await readAll(name, 2)), ['a', 'c'])
  },
  'transaction-commits-offsets': async () => {
    const name = await topic()
    const groupId = fresh('group')
    for (const [offset, end] of [['3', 'commit'], ['5', 'abort']]) {
      await transacting(fresh('txn'), async (producer) => {
        const transaction = await producer.transaction()
        const topics = [{ topic: name, partitions: [{ partition: 0, offset }] }]
        await transaction.sendOffsets({ consumerGroupId: groupId, topics })
        await transaction[end]()
      })
    }
    const [found] = await admin.fetchOffsets({ groupId, topics: [name] })
    assert.equal(found.partitions[0].offset, '3')
  },
  'transaction-fencing': async () => {
    const name = await topic()
    const id = fresh('txn')
    await transacting(id, async (old) => {
      const left = await old.transaction()
      await left.send({ topic: name, messages: [{ value: 'old', partition: 0 }] })
      await transacting(id, async (successor) => {
        const transaction = await successor.transaction()
        await assert.rejects(left.commit(), (error) => /EPOCH|FENCED/.test(`${error.type}`))
        await transaction.send({ topic: name, messages: [{ value: 'new', partition: 0 }] })
        await transaction.commit()
      })
    })
    assert.deepEqual(texts(await readAll(name, 1)), ['new'])
  }
}

const OUT_OF_SCOPE = {
  'codec-lz4-and-zstd': 'kafkajs has neither; third-party codecs are native modules',
  'static-membership-and-cooperative': 'kafkajs has neither',
  'acls-and-sasl': 'security is a later part of the broker'
}

const say = (line) => console.log(JSON.stringify(line))

async function result(body) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${CASE_MS_MAX} ms`)), CASE_MS_MAX)
  })
  try {
    await Promise.race([body(), late])
    return { result: 'passed', reason: '' }
  } catch (error) {
    console.error(error)
    return { result: 'failed', reason: `${error.name}: ${error.message}` }
  } finally {
    clearTimeout(timer)
  }
}

async function main() {
  const only = (process.env.CASES ?? '').split(',').filter(Boolean)
  const chosen = (name) => only.length === 0 || only.includes(name)
  const plan = [...Object.keys(CASES), ...Object.keys(OUT_OF_SCOPE)].filter(chosen)
  say({ plan, version: require('kafkajs/package.json').version })
  await admin.connect()
  for (const name of plan) {
    const outOfScope = { result: 'out of scope', reason: OUT_OF_SCOPE[name] }
    say({ case: name, ...(CASES[name] ? await result(CASES[name]) : outOfScope) })
  }
  process.exit(0)
}

main()

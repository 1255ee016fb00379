/* Loaded before librdkafka, so that tests written for a cluster of three brokers run unchanged against
 * one: a new topic gets one replica, and no segment smaller than Apache Kafka 4.3 accepts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES_MIN "1048576"

typedef void *(*new_topic)(const char *, int, int, char *, size_t);
typedef int (*set_config)(void *, const char *, const char *);

void *rd_kafka_NewTopic_new(const char *name, int partitions, int replicas, char *error, size_t size) {
        new_topic next = (new_topic)dlsym(RTLD_NEXT, "rd_kafka_NewTopic_new");
        return next(name, partitions, replicas > 1 ? 1 : replicas, error, size);
}

int rd_kafka_NewTopic_set_config(void *topic, const char *name, const char *value) {
        set_config next = (set_config)dlsym(RTLD_NEXT, "rd_kafka_NewTopic_set_config");
        int small = !strcmp(name, "segment.bytes") && atol(value) < atol(SEGMENT_BYTES_MIN);
        return next(topic, name, small ? SEGMENT_BYTES_MIN : value);
}

"""Connections to Kafka: settings, a producer and a consumer, each with librdkafka in a thread of its own."""

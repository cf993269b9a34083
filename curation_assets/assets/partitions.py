"""The Dagster partitions: one for each shard of the pool, of the same name."""

import dagster as dg

shards_def = dg.DynamicPartitionsDefinition(name="shard")

"""What Dagster's daemon watches: the pool's folder, for shards that are not partitions yet."""

import dagster as dg

from curation_assets.errors import PoolError
from curation_assets.recipe import Recipe

from .partitions import shard_files, shards_def


def shard_sensor(recipe: Recipe) -> dg.SensorDefinition:
    """Registers every tar that the recipe's pool matches as a partition; requests no run."""

    @dg.sensor(
        name="new_shards",
        description="Registers every tar that pool.path matches as a shard partition; starts nothing.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def new_shards(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            found = shard_files(recipe)
        except PoolError as error:
            return dg.SkipReason(str(error))
        known = set(context.instance.get_dynamic_partitions(shards_def.name))
        new = [shard for shard in found if shard not in known]
        if not new:
            return dg.SkipReason(f"all {len(found):,} shards are known")
        return dg.SensorResult(dynamic_partitions_requests=[shards_def.build_add_request(new)])

    return new_shards

//! `[queries]`: what statements are watched for.

use greenroom_actors::settings::QuerySettings;

use super::Checker;
use crate::config::raw::RawQueries;

impl Checker<'_> {
    pub(super) fn queries(&mut self, raw: &RawQueries) -> Option<QuerySettings> {
        let query_shapes = self.above(&raw.query_shapes, 0);
        let slow_query_rate = self.above(&raw.slow_query_rate, 0);
        Some(QuerySettings {
            query_statistics: raw.query_statistics.value?,
            query_shapes: query_shapes?,
            slow_query_time: raw.slow_query_time.value?.0,
            slow_query_rate: slow_query_rate?,
        })
    }
}

//! `[tracing]`: statements that belong to a trace.

use greenroom_actors::settings::TracingSettings;

use super::Checker;
use crate::config::raw::RawTracing;
use crate::config::reader::Field;
use crate::config::value::OrOff;

/// Where collectors take spans, unless somebody says otherwise.
const PATH: &str = "/v1/traces";

/// The most statements that may wait; each is some hundred bytes.
const LONGEST_QUEUE: usize = 1_000_000;

impl Checker<'_> {
    /// Where they go; `Some(None)` where nowhere, `None` where something is wrong.
    pub(super) fn tracing(&mut self, raw: &RawTracing) -> Option<Option<TracingSettings>> {
        let span_queue = self.above(&raw.span_queue, 0).and_then(|spans| {
            if spans <= LONGEST_QUEUE {
                return Some(spans);
            }
            self.wrong(&raw.span_queue.place, format!("{spans} is too large"), format!("{LONGEST_QUEUE} or less"));
            None
        });
        let sample_one_in = self.at_most(&raw.sample_one_in);
        let otlp_endpoint = self.collector(&raw.otlp_endpoint)?;
        let service_name = raw.service_name.value.clone();
        let (span_queue, sample_one_in, service_name) = (span_queue?, sample_one_in?, service_name?);
        Some(otlp_endpoint.map(|otlp_endpoint| TracingSettings {
            otlp_endpoint,
            service_name,
            sample_one_in,
            span_queue,
        }))
    }

    fn collector(&mut self, field: &Field<OrOff<String>>) -> Option<Option<String>> {
        let Some(url) = &field.value.as_ref()?.0 else { return Some(None) };
        if !greenroom_otlp::IS_BUILT {
            let what = "this build of Greenroom cannot export traces";
            self.wrong(&field.place, what, "\"off\", or a build with --features tracing-otlp");
            return None;
        }
        let expected =
            "http://HOST:PORT, or with a path behind it; a collector on this machine can speak TLS to others";
        let Some(rest) = url.strip_prefix("http://") else {
            self.wrong(&field.place, format!("{url:?} is no URL of http"), expected);
            return None;
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_clean =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
        if host.is_empty() || host.starts_with(':') || host.contains('@') || !is_clean(rest) {
            self.wrong(&field.place, format!("{url:?} names no collector"), expected);
            return None;
        }
        let path = if matches!(path, "" | "/") { PATH } else { path };
        Some(Some(format!("http://{host}{path}")))
    }
}

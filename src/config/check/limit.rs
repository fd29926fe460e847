//! `[[limits]]`: what users and databases may have at most.

use greenroom_actors::settings::LimitSettings;

use super::Checker;
use crate::config::raw::RawLimit;
use crate::config::reader::Field;
use crate::config::value::OrOff;

impl Checker<'_> {
    /// All limits, in the order of the file.
    pub(super) fn limits(&mut self, raw: &[RawLimit]) -> Option<Vec<LimitSettings>> {
        self.unique(raw.iter().map(|limit| &limit.name));
        let limits: Vec<_> = raw.iter().map(|limit| self.limit(limit)).collect();
        limits.into_iter().collect()
    }

    fn limit(&mut self, raw: &RawLimit) -> Option<LimitSettings> {
        let name = self.name(&raw.name);
        if !raw.user.given && !raw.database.given {
            self.wrong(&raw.name.place, "it is nobody's limit", "user, database or both");
        }
        if !raw.max_clients.given && !raw.max_connections.given {
            self.wrong(&raw.name.place, "it limits nothing", "max_clients, max_connections or both");
        }
        let max_clients = self.at_most(&raw.max_clients);
        let max_connections = self.at_most(&raw.max_connections);
        let text = |field: &Field<String>| if field.given { field.value.clone().map(Some) } else { Some(None) };
        Some(LimitSettings {
            name: name?,
            user: text(&raw.user)?,
            database: text(&raw.database)?,
            max_clients: max_clients?,
            max_connections: max_connections?,
        })
    }

    /// A number of which there may be none, by the key's being left out or `"off"`, but not zero: that would let nobody in.
    pub(super) fn at_most(&mut self, field: &Field<OrOff<usize>>) -> Option<Option<usize>> {
        if !field.given {
            return Some(None);
        }
        let OrOff(limit) = field.value?;
        if limit == Some(0) {
            self.wrong(&field.place, "0 is too small", "more than 0, or \"off\"");
            return None;
        }
        Some(limit)
    }
}

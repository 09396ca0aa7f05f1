//! What one request for statuses reads. PURE.

use std::collections::BTreeSet;

use crate::domain::ids::RemoteId;

/// The contents that one request reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadRequest {
    /// A page of the list, from 1.
    Page(u64),
    /// The entries of these campaigns in the list.
    ById(BTreeSet<RemoteId>),
    /// One campaign by itself.
    Single(RemoteId),
}

/// A part of what a request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Page(u64),
    Campaign(RemoteId),
}

impl ReadRequest {
    /// Whether it names this campaign.
    pub(super) fn is_of(&self, remote: RemoteId) -> bool {
        self.parts().any(|part| part == Part::Campaign(remote))
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let (page, single, ids) = match self {
            Self::Page(page) => (Some(Part::Page(*page)), None, None),
            Self::Single(remote) => (None, Some(*remote), None),
            Self::ById(ids) => (None, None, Some(ids)),
        };
        let campaigns = ids.into_iter().flatten().copied().chain(single);
        page.into_iter().chain(campaigns.map(Part::Campaign))
    }
}

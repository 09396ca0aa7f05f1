//! Reads the account's whole list for an operator, page by page. These reads come after all requests that guard
//! campaigns.

use std::collections::BTreeMap;

use super::{Client, Now, Output, Purpose, Requester};
use crate::domain::failure::RemoteFault;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::Urgency;
use crate::domain::remote::RemoteCampaign;
use crate::trafficstar::batch::capacity::KnownPages;
use crate::trafficstar::call::{Answer, Call, LISTS, list_line};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::endpoint_discovery::{Endpoint, Trial};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::RequestTerms;

/// The campaigns of the account's list. A campaign that cannot be read has a fault of its own.
pub type Account = BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>;

/// A read of the list from its beginning to its end.
#[derive(Debug)]
pub(super) struct Job {
    requester: Requester,
    /// The number of the page that is read, from 1.
    number: u64,
    trial: Trial,
    /// The index in [`LISTS`] of the parameters that are tried.
    sizes: usize,
    pages: KnownPages,
    so_far: Account,
}

impl Client {
    /// Begins to read the account's whole list; answered by [`Output::Account`].
    pub fn read_account(&mut self, now: Now) -> Requester {
        let requester = self.next_requester();
        let trial = Trial::of(&mut self.known, now.wall, Endpoint::List, LISTS.len());
        let (pages, so_far) = (KnownPages::default(), Account::new());
        self.read_account_page(now, Job { requester, number: 1, trial, sizes: 0, pages, so_far });
        self.is_stirred = true;
        requester
    }

    fn read_account_page(&mut self, now: Now, mut job: Job) {
        let next = job.trial.next_candidate().and_then(|position| Some((position, *LISTS.get(position)?)));
        let Some((position, sizes)) = next else {
            let failure = job.trial.failure(&mut self.known, now.wall);
            self.account_read(job.requester, Err(failure));
            return;
        };
        job.sizes = position;
        let terms = RequestTerms::read(Operation::List, Urgency::Read);
        let call = Call::Page { number: job.number, sizes };
        self.requests.ask(now, terms, call, Purpose::Account(job));
    }

    pub(super) fn account_page_came(&mut self, now: Now, mut job: Job, result: Result<Answer, RemoteError>) {
        let shown = || LISTS.get(job.sizes).map(|sizes| list_line(sizes)).unwrap_or_default();
        let page = result.and_then(Answer::into_page);
        match job.trial.judge(&mut self.known, now.wall, page, shown) {
            None => self.read_account_page(now, job),
            Some(Ok(page)) => {
                job.pages.saw(job.number, page.list_size(), page.campaigns.keys().copied());
                job.so_far.extend(page.campaigns);
                if job.pages.are_all_known() {
                    self.account_read(job.requester, Ok(job.so_far));
                } else {
                    job.number += 1;
                    job.trial = Trial::of(&mut self.known, now.wall, Endpoint::List, LISTS.len());
                    self.read_account_page(now, job);
                }
            }
            // The list has become shorter since the first page was read.
            Some(Err(RemoteError::NoEndpoint { .. })) if job.number > 1 => {
                self.account_read(job.requester, Ok(job.so_far));
            }
            Some(Err(error)) => self.account_read(job.requester, Err(error)),
        }
    }

    fn account_read(&mut self, requester: Requester, account: Result<Account, RemoteError>) {
        self.outputs.push(Output::Account(requester, account.map_err(|error| error.in_full())));
    }
}

//! The access token: cached, and renewed before it expires. All requests that need one wait for the same fetch.
//!
//! Deliberately absent: the request for it (`requests`), and what a refusal says of the API key (`trafficstar::token`).

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;

use super::Now;
use crate::domain::read_priority::Urgency;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::wire::TokenAnswer;

/// After a failed fetch, a pause waits for the backoff divided by this number before it fetches a token again.
/// Requests that come meanwhile wait for the same fetch, because each fetch takes a slot that is kept for pauses.
const PAUSE_WAITS_FOR_PART: i32 = 3;
/// A token is renewed this long before it expires, or a tenth of its lifetime before, if that is shorter.
const LONGEST_RENEWAL_MARGIN: std::time::Duration = std::time::Duration::from_secs(300);

/// An access token.
#[derive(Debug)]
pub struct Token {
    /// The text that requests carry. Its `Debug` hides it.
    pub text: SecretString,
    renew_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Token {
    fn of(answer: TokenAnswer, asked_at: DateTime<Utc>) -> Self {
        let margin = LONGEST_RENEWAL_MARGIN.min(answer.lifetime / 10);
        let (renew_at, expires_at) = (asked_at + (answer.lifetime - margin), asked_at + answer.lifetime);
        Self { text: answer.access_token, renew_at, expires_at }
    }
}

#[derive(Debug)]
struct Failed {
    error: RemoteError,
    at: DateTime<Utc>,
}

/// The state of the fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fetch {
    #[default]
    No,
    /// A fetch begins at this time (steady clock). It waits because the last one failed a moment ago.
    BeginsAt(DateTime<Utc>),
    /// A fetch is under way since this time (wall clock).
    UnderWay(DateTime<Utc>),
}

/// The answer to a request that needs a token.
#[derive(Debug)]
pub(super) enum Needed {
    /// The request uses this token.
    Token(Arc<Token>),
    /// No token can be fetched for a while: the request fails with this error.
    Failed(RemoteError),
    /// The request waits for the fetch.
    Wait,
}

/// The cached token, and its renewal.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The time after a failed fetch in which no token is fetched.
    backoff: Duration,
    current: Option<Arc<Token>>,
    fetch: Fetch,
    failed: Option<Failed>,
}

impl Tokens {
    pub(super) const fn new(backoff: Duration) -> Self {
        Self { backoff, current: None, fetch: Fetch::No, failed: None }
    }

    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.current.as_ref().map(|token| token.expires_at)
    }

    /// Returns a token for a request of this class. A token that expires soon is renewed. Until it expires it is still
    /// used in two cases: for a while after a failed renewal, and by pauses, which must not wait for a renewal that may
    /// hang.
    pub(super) fn need(&mut self, now: Now, urgency: Urgency) -> Needed {
        if let Some(fresh) = self.current.as_ref().filter(|token| now.wall < token.renew_at) {
            return Needed::Token(Arc::clone(fresh));
        }
        let is_pause = urgency == Urgency::Pause;
        let recent = self.failed.as_ref().filter(|failed| now.steady.signed_duration_since(failed.at) < self.backoff);
        if let Some(serving) = self.serving(now).filter(|_| is_pause || recent.is_some()) {
            return Needed::Token(serving);
        }
        // For a while, every request that no pause needs is answered with the last failure.
        if let Some(failed) = recent.filter(|_| !is_pause) {
            return Needed::Failed(failed.error.clone());
        }
        if self.fetch == Fetch::No {
            let may_begin_at = self.failed.as_ref().map(|failed| failed.at + self.backoff / PAUSE_WAITS_FOR_PART);
            self.fetch = Fetch::BeginsAt(may_begin_at.unwrap_or(now.steady));
        }
        Needed::Wait
    }

    /// Returns the token if it has not expired.
    pub(super) fn serving(&self, now: Now) -> Option<Arc<Token>> {
        self.current.as_ref().filter(|token| now.wall < token.expires_at).map(Arc::clone)
    }

    /// Forgets a refused token, so that no request carries it again. A newer token is kept.
    pub(super) fn forget(&mut self, refused: &Arc<Token>) {
        self.current.take_if(|current| Arc::ptr_eq(current, refused));
    }

    /// Whether a fetch begins now.
    pub(super) fn begins(&mut self, now: Now) -> bool {
        let begins = matches!(self.fetch, Fetch::BeginsAt(until) if until <= now.steady);
        if begins {
            self.fetch = Fetch::UnderWay(now.wall);
        }
        begins
    }

    /// Returns when a fetch begins; `None` if none waits.
    pub(super) const fn wakes_at(&self) -> Option<DateTime<Utc>> {
        match self.fetch {
            Fetch::BeginsAt(until) => Some(until),
            Fetch::No | Fetch::UnderWay(_) => None,
        }
    }

    /// Takes the result of the fetch. Returns what the waiting requests get.
    pub(super) fn came(
        &mut self,
        now: Now,
        fetched: Result<TokenAnswer, RemoteError>,
    ) -> Result<Arc<Token>, RemoteError> {
        let asked_at = match self.fetch {
            Fetch::UnderWay(asked_at) => asked_at,
            Fetch::No | Fetch::BeginsAt(_) => now.wall,
        };
        self.fetch = Fetch::No;
        match fetched {
            Ok(answer) => {
                self.failed = None;
                let token = Arc::new(Token::of(answer, asked_at));
                self.current = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) => {
                self.failed = Some(Failed { error: error.clone(), at: now.steady });
                // If a renewal fails, the old token may still be valid.
                self.serving(now).ok_or(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: i64) -> Now {
        let at = DateTime::UNIX_EPOCH + Duration::seconds(seconds);
        Now { wall: at, steady: at }
    }

    fn answer(seconds: u64) -> TokenAnswer {
        TokenAnswer { access_token: "a".into(), lifetime: std::time::Duration::from_secs(seconds) }
    }

    fn failure() -> RemoteError {
        RemoteError::NoToken(Box::new(RemoteError::Unavailable { status: 503 }))
    }

    impl Tokens {
        /// Returns tokens that hold a token with this lifetime, fetched at the beginning of time.
        fn holding(seconds: u64) -> Self {
            let mut tokens = Self::new(Duration::seconds(15));
            assert!(matches!(tokens.need(now(0), Urgency::Read), Needed::Wait));
            assert!(tokens.begins(now(0)));
            assert!(tokens.came(now(1), Ok(answer(seconds))).is_ok());
            tokens
        }

        fn has_at(&mut self, seconds: i64, urgency: Urgency) -> bool {
            matches!(self.need(now(seconds), urgency), Needed::Token(_))
        }

        fn waits_at(&mut self, seconds: i64, urgency: Urgency) -> bool {
            matches!(self.need(now(seconds), urgency), Needed::Wait)
        }
    }

    #[test]
    fn a_token_is_renewed_five_minutes_or_a_tenth_of_its_life_before_it_expires() {
        for (lifetime, expected_renewal) in [(36_000, 35_700), (3_000, 2_700), (100, 90)] {
            let mut tokens = Tokens::holding(lifetime);
            assert!(tokens.has_at(expected_renewal - 1, Urgency::Read), "{lifetime}");
            assert!(tokens.has_at(expected_renewal, Urgency::Pause), "a pause does not wait for a renewal");
            assert!(tokens.waits_at(expected_renewal, Urgency::Read), "{lifetime}");
        }
        assert!(Tokens::holding(0).waits_at(1, Urgency::Pause), "it has expired");
    }

    #[test]
    fn if_a_renewal_fails_the_old_token_is_used_until_it_expires() {
        let mut tokens = Tokens::holding(100);
        assert!(tokens.waits_at(90, Urgency::Sweep) && tokens.begins(now(90)));
        assert!(tokens.came(now(91), Err(failure())).is_ok());
        assert!(tokens.has_at(92, Urgency::Sweep) && !tokens.begins(now(92)), "it is not tried again at once");
        assert!(matches!(tokens.need(now(100), Urgency::Sweep), Needed::Failed(_)), "it has expired");
    }

    #[test]
    fn after_a_failed_fetch_reads_are_refused_for_a_while_and_pauses_wait_for_a_third_of_it() {
        let mut tokens = Tokens::holding(0);
        assert!(tokens.waits_at(10, Urgency::Read) && tokens.begins(now(10)));
        assert!(tokens.came(now(10), Err(failure())).is_err());
        assert!(matches!(tokens.need(now(11), Urgency::Sweep), Needed::Failed(_)));
        assert!(tokens.waits_at(11, Urgency::Pause) && !tokens.begins(now(14)));
        assert_eq!(tokens.wakes_at(), Some(now(15).steady));
        assert!(tokens.begins(now(15)));
    }

    #[test]
    fn a_refused_token_is_forgotten_and_a_newer_one_is_kept() {
        let mut tokens = Tokens::holding(100);
        let Needed::Token(refused) = tokens.need(now(2), Urgency::Read) else { panic!("{tokens:?}") };
        tokens.forget(&refused);
        assert_eq!(tokens.expires_at(), None);
        assert!(tokens.waits_at(2, Urgency::Read) && tokens.begins(now(2)));
        tokens.came(now(3), Ok(answer(100))).unwrap();
        tokens.forget(&refused);
        assert!(tokens.has_at(4, Urgency::Read));
    }
}

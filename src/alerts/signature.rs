//! The signature of a webhook, by Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.
//!
//! While a secret is replaced, the message is signed with the new one and the old one, so that the receiver may know
//! either.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::hmac;
use thiserror::Error;

/// The beginning of a secret.
const PREFIX: &str = "whsec_";
/// The length of a secret in bytes, by the standard.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// The most secrets that sign one message.
const MOST: usize = 5;

/// The secrets that sign the messages to one receiver, the newest first. They are never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret(s)", self.0.len())
    }
}

/// Why a text is no secret. It contains nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There is no line with a secret.
    #[error("holds no secret: write `whsec_` and the Base64 of 24 to 64 random bytes into it")]
    Empty,
    /// A line does not begin with `whsec_`.
    #[error("line {0} is not a secret: a secret begins with `whsec_`")]
    NoPrefix(usize),
    /// The rest of a line is not Base64.
    #[error("line {0} is not a secret: what follows `whsec_` is not Base64; perhaps it was cut off")]
    NotBase64(usize),
    /// A secret is too short or too long.
    #[error("line {0} is not a secret: it has {1} bytes, and a secret has 24 to 64")]
    Length(usize, usize),
    /// There are too many secrets.
    #[error("holds more than {MOST} secrets: the new one and the old one are enough")]
    TooMany,
}

impl Secrets {
    /// Reads the secrets, one on each line, the newest first.
    ///
    /// # Errors
    /// A line is no secret, or there is none.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        let lines = lines.filter(|(line, _)| !line.is_empty());
        let secrets = lines.map(|(line, number)| secret(line, number)).collect::<Result<Vec<_>, _>>()?;
        match secrets.len() {
            0 => Err(SecretError::Empty),
            1..=MOST => Ok(Self(secrets)),
            _ => Err(SecretError::TooMany),
        }
    }

    /// Returns the value of the header `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> String {
        let signed = [format!("{id}.{}.", at.timestamp()).as_bytes(), body].concat();
        let signatures = self.0.iter().map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn secret(line: &str, number: usize) -> Result<Vec<u8>, SecretError> {
    let encoded = line.strip_prefix(PREFIX).ok_or(SecretError::NoPrefix(number))?;
    let secret = STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64(number))?;
    if LENGTH.contains(&secret.len()) { Ok(secret) } else { Err(SecretError::Length(number, secret.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own tests.
    #[test]
    fn the_signature_is_that_of_the_standards_example() {
        let secrets = Secrets::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signature = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_replaced_secret_signs_after_the_new_one() {
        let (new, old) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_plJ3nmyCDGBKInavdOK15jsl6EgyGVdR");
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signature = |text: &str| Secrets::read(text).unwrap().sign("id", at, b"{}");
        assert_eq!(signature(&format!("{new}\n\n{old}\n")), format!("{} {}", signature(new), signature(old)));
    }

    #[test]
    fn what_is_no_secret_is_refused_by_its_line_and_never_shown() {
        for (text, error) in [
            ("", SecretError::Empty),
            (" \n", SecretError::Empty),
            ("swordfish", SecretError::NoPrefix(1)),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_***", SecretError::NotBase64(2)),
            ("whsec_c3dvcmRmaXNo", SecretError::Length(1, 9)),
        ] {
            let refused = Secrets::read(text).unwrap_err();
            assert_eq!(refused, error);
            assert!(!refused.to_string().contains("sword"), "{refused}");
        }
        assert_eq!(format!("{:?}", Secrets::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()), "1 secret(s)");
    }
}

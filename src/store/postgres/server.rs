//! A server, as its URL describes it: libpq's parameters, and time limits where it sets none.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::{Authorities, Trust};
use crate::store::error::DatabaseUrlError;
use crate::store::password::{Password, PasswordError};

/// How long one address may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What was sent and is not acknowledged for so long has not arrived.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// While an answer is waited for nothing is sent, so the network is asked whether the server is still there: first after
/// this time, and then as often as below, until as many questions were not answered.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_RETRIES: u32 = 3;
/// The server's own limits for each connection: it ends what takes longer, since here nothing can end it. What a guard
/// that hangs has locked is free again before another one takes over.
const SERVER_LIMITS: &str = "-c statement_timeout=10s -c lock_timeout=2s -c idle_in_transaction_session_timeout=5s";

/// Everything that is needed to connect. Its `Debug` hides the password.
#[derive(Debug, Clone)]
pub(in crate::store) struct Server {
    config: Config,
    trust: Trust,
    password: Option<Password>,
}

impl Server {
    /// Takes a `postgres://` URL apart.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, DatabaseUrlError> {
        let Parameters { mode, root_certificate, rest } = Parameters::take_out(url)?;
        // The cause is left out: it may quote a piece of the password.
        let mut config: Config = rest.parse().map_err(|_| DatabaseUrlError::Postgres)?;
        if config.get_hosts().is_empty() {
            return Err(DatabaseUrlError::Postgres);
        }
        // What does not leave the machine needs no encryption, and PostgreSQL has none for it.
        let only_sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { mode.of_the_library() });
        set_limits(&mut config);
        // By this name another supervisor, and the server's administrator, see who is connected.
        config.application_name(format!("traffic-generator pid {}", std::process::id()));
        Ok(Self { config, trust: mode.trust(root_certificate), password: None })
    }

    /// The same with a password for a URL that has none.
    pub(in crate::store) fn or_password(mut self, password: Password) -> Self {
        if self.config.get_password().is_none() {
            self.password = Some(password);
        }
        self
    }

    /// What the library connects with. The password is read now.
    pub(super) fn ready(&self) -> Result<Config, PasswordError> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.password(password.read()?.expose_secret());
        }
        Ok(config)
    }

    /// Whom to trust; none without encryption.
    pub(super) fn trust(&self) -> Option<&Trust> {
        (self.config.get_ssl_mode() != SslMode::Disable).then_some(&self.trust)
    }

    /// How long making a connection may take, its addresses tried one after the other.
    pub(super) fn connect_within(&self) -> Duration {
        let addresses = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each.saturating_mul(addresses).saturating_add(CONNECT_TIMEOUT)
    }

    /// For messages: which database, without what may be secret.
    pub(in crate::store) fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => String::new(),
        };
        format!("postgres://{host}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// A server that does not answer must not hold up the guard.
fn set_limits(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    // The library's own, under which a silent network is noticed after hours.
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVES_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVES_RETRIES);
    }
    // The server reads them in their order: what the URL says comes last and counts.
    let options = config.get_options().map_or_else(String::new, |own| format!(" {own}"));
    config.options(format!("{SERVER_LIMITS}{options}"));
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl TlsMode {
    fn read(word: &str) -> Result<Self, DatabaseUrlError> {
        match word {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(DatabaseUrlError::TlsMode),
        }
    }

    const fn of_the_library(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => SslMode::Require,
        }
    }

    fn trust(self, root_certificate: Option<PathBuf>) -> Trust {
        let authorities = root_certificate.map_or(Authorities::System, Authorities::File);
        match (self, authorities) {
            (Self::VerifyFull, authorities) => Trust::SignedForHost(authorities),
            (Self::VerifyCa, authorities) | (Self::Require, authorities @ Authorities::File(_)) => {
                Trust::Signed(authorities)
            }
            (Self::Disable | Self::Prefer, _) | (Self::Require, Authorities::System) => Trust::Anybody,
        }
    }
}

/// The parameters behind `?` that the library does not know as libpq does, and the URL without them.
struct Parameters {
    mode: TlsMode,
    root_certificate: Option<PathBuf>,
    rest: String,
}

impl Parameters {
    fn take_out(url: &str) -> Result<Self, DatabaseUrlError> {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut found = Self { mode: TlsMode::Prefer, root_certificate: None, rest: address.to_owned() };
        let mut separator = '?';
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(DatabaseUrlError::Postgres)?;
            match name {
                "sslmode" => found.mode = TlsMode::read(&decoded(value)?)?,
                // libpq's word for what is the default here.
                "sslrootcert" if value == "system" => found.root_certificate = None,
                "sslrootcert" if value.is_empty() => return Err(DatabaseUrlError::Postgres),
                "sslrootcert" => found.root_certificate = Some(PathBuf::from(decoded(value)?.into_owned())),
                _ => {
                    found.rest.push(separator);
                    found.rest.push_str(parameter);
                    separator = '&';
                }
            }
        }
        Ok(found)
    }
}

fn decoded(value: &str) -> Result<Cow<'_, str>, DatabaseUrlError> {
    percent_decode_str(value).decode_utf8().map_err(|_| DatabaseUrlError::Postgres)
}

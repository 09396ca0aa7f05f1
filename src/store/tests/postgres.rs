//! Connecting to a server: encryption, passwords and time limits.

use std::path::{Path, PathBuf};

use diesel::RunQueryDsl;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::SecretString;
use tempfile::TempDir;

use super::super::pools::Pools;
use super::super::postgres;
use super::super::url::Target;
use super::server::{Server, Tls};
use super::*;

/// A server that encrypts, with a certificate for `localhost`, and files with the certificates of authorities.
struct Encrypted {
    server: Server,
    folder: TempDir,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

impl Encrypted {
    fn start() -> Option<Self> {
        let (ours, others) = (authority("ours"), authority("another's"));
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap().pem();
        let server = Server::start(Some(&Tls { certificate, key: key.serialize_pem() }))?;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ours.pem", &ours.pem());
        write("others.pem", &others.pem());
        write("empty.pem", "");
        Some(Self { server, folder })
    }

    /// Returns the server's URL over TCP. `{name}` in the parameters is replaced with the path of that file.
    fn url(&self, user: &str, host: &str, parameters: &str) -> String {
        let folder = format!("{}/", self.folder.path().display());
        let parameters = parameters.replace('{', &folder).replace('}', ".pem");
        format!("postgres://{user}@{host}:{}/postgres{parameters}", self.server.port())
    }

    fn execute(&self, sql: &str) {
        TestDatabase::at(&self.server.url("postgres")).execute(sql);
    }
}

/// Reads one value over a connection of its own, or returns the error's text.
fn ask(url: &DatabaseUrl, expression: &str) -> Result<String, String> {
    #[derive(diesel::QueryableByName)]
    struct Answer {
        #[diesel(sql_type = diesel::sql_types::Text)]
        answer: String,
    }
    let Target::Postgres(server) = &url.target else { panic!("{url} is no server") };
    let work = || {
        let mut connection = postgres::open(server).map_err(|error| error.to_string())?;
        let query = diesel::sql_query(format!("SELECT CAST(({expression}) AS TEXT) AS answer"));
        query.get_result::<Answer>(&mut connection).map(|row| row.answer).map_err(|error| error.to_string())
    };
    std::thread::scope(|threads| threads.spawn(work).join().unwrap())
}

fn is_encrypted(url: &str) -> Result<bool, String> {
    let answer = ask(&url.parse().unwrap(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    answer.map(|answer| answer == "true")
}

#[track_caller]
fn expect(url: &str, expected: Result<bool, &str>) {
    match (is_encrypted(url), expected) {
        (Ok(encrypted), Ok(expected)) => assert_eq!(encrypted, expected, "{url}"),
        (Err(error), Err(expected)) => assert!(error.contains(expected), "{url}\nexpected {expected}\nfound {error}"),
        (found, expected) => panic!("{url}\nexpected {expected:?}\nfound {found:?}"),
    }
}

#[test]
fn a_connection_to_another_machine_is_encrypted_and_only_the_named_host_is_trusted() {
    let Some(encrypted) = Encrypted::start() else { return };
    let (signer, name) = ("authority's certificate with sslrootcert", "not valid for name");
    let cases: [(&str, &str, Result<bool, &str>); 13] = [
        // Within this machine, and the URL names no authority.
        ("localhost", "", Ok(false)),
        ("127.0.0.1", "?sslrootcert=system", Ok(false)),
        ("localhost", "?sslmode=disable", Ok(false)),
        ("localhost", "?sslmode=disable&sslrootcert={ours}", Ok(false)),
        ("localhost", "?sslrootcert={ours}", Ok(true)),
        ("127.0.0.1", "?sslrootcert={others}", Err(signer)),
        ("localhost", "?sslmode=verify-full&sslrootcert={ours}", Ok(true)),
        ("localhost", "?connect_timeout=2&sslmode=verify-full&keepalives_idle=9&sslrootcert={ours}", Ok(true)),
        ("127.0.0.1", "?sslmode=verify-full&sslrootcert={ours}", Err(name)),
        ("localhost", "?sslmode=verify-full&sslrootcert={others}", Err(signer)),
        ("localhost", "?sslmode=verify-full&sslrootcert=system", Err("")),
        ("localhost", "?sslmode=verify-full&sslrootcert={missing}", Err("missing.pem cannot be read")),
        ("localhost", "?sslmode=verify-full&sslrootcert={empty}", Err("there is no certificate in")),
    ];
    for (host, parameters, expected) in cases {
        expect(&encrypted.url("guard", host, parameters), expected);
    }
    // Another host name counts as another machine, even if its address is this machine's.
    let elsewhere =
        |parameters: &str| encrypted.url("guard", "db.example", &format!("?hostaddr=127.0.0.1{parameters}"));
    expect(&elsewhere("&sslrootcert={ours}"), Err(name));
    expect(&elsewhere(""), Err(""));
    expect(&elsewhere("&sslmode=disable"), Ok(false));
    // A Unix socket connects within the machine.
    expect(&format!("{}?sslmode=verify-full", encrypted.server.url("postgres")), Ok(false));

    encrypted.execute("ALTER SYSTEM SET ssl = off");
    encrypted.execute("SELECT pg_reload_conf()");
    let url = encrypted.url("guard", "localhost", "?sslmode=verify-full&sslrootcert={ours}");
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while is_encrypted(&url).is_ok() {
        assert!(std::time::Instant::now() < patience, "the server still encrypts");
    }
    expect(&url, Err("enable TLS on the server (ssl = on)"));
}

#[test]
fn the_password_of_the_url_comes_before_the_given_one_and_neither_is_shown() {
    let Some(encrypted) = Encrypted::start() else { return };
    encrypted.execute("CREATE ROLE with_password LOGIN PASSWORD 'hunter2 '");
    let file = encrypted.folder.path().join("password");
    let text = |text: &str| Password::Text(SecretString::from(text));
    let in_file = || Password::File(file.clone());
    let (without, with) = ("with_password", "with_password:hunter2%20");
    let wrong = "password authentication failed";
    type Case = (&'static str, Option<Password>, &'static str, Result<(), &'static str>);
    let cases: [Case; 8] = [
        (without, None, "", Err("set the environment variable PGPASSWORD")),
        (without, Some(text("hunter2 ")), "", Ok(())),
        (without, Some(text("hunter2")), "", Err(wrong)),
        (without, Some(in_file()), "hunter2 \n", Ok(())),
        (without, Some(in_file()), "hunter2 \r\n", Ok(())),
        (without, Some(in_file()), "hunter2x\n", Err(wrong)),
        (with, None, "", Ok(())),
        (with, Some(text("hunter3")), "", Ok(())),
    ];
    for (user, password, content, expected) in cases {
        std::fs::write(&file, content).unwrap();
        let mut url: DatabaseUrl = encrypted.url(user, "127.0.0.1", "").parse().unwrap();
        if let Some(password) = password {
            url = url.or_password(password);
        }
        let found = ask(&url, "SELECT 1").map(drop);
        let shown = format!("{url} {url:?} {:?} {found:?}", Store::connect(&url));
        assert!(!shown.contains("hunter"), "{shown}");
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (found, expected) => panic!("{user}, {content:?}: expected {expected:?}, found {found:?}"),
        }
    }
    let refused = |path: &Path| {
        let url: DatabaseUrl = encrypted.url(without, "127.0.0.1", "").parse().unwrap();
        ask(&url.or_password(Password::File(path.to_owned())), "SELECT 1").unwrap_err()
    };
    let missing = encrypted.folder.path().join("missing");
    assert!(refused(&missing).contains(&missing.display().to_string()), "{}", refused(&missing));
    let pasted = refused(&PathBuf::from("hunter2"));
    assert!(pasted.contains("password_file") && !pasted.contains("hunter2"), "{pasted}");
}

#[test]
fn each_connection_has_time_limits_and_those_of_the_url_win() {
    let Some(database) = TestDatabase::postgres() else { return };
    let limits = "SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), \
                  current_setting('idle_in_transaction_session_timeout'))";
    assert_eq!(ask(&database.url, limits).unwrap(), "10s 2s 5s");
    let own = server::shared_server("postgres").unwrap() + "?options=-c%20statement_timeout%3D150ms";
    let own: DatabaseUrl = own.parse().unwrap();
    assert_eq!(ask(&own, limits).unwrap(), "150ms 2s 5s");
    let ended = ask(&own, "SELECT pg_sleep(60)").unwrap_err();
    assert!(ended.contains("statement timeout"), "{ended}");
}

#[tokio::test]
async fn an_operation_that_takes_too_long_loses_its_connection_and_the_next_one_works() {
    let Some(database) = TestDatabase::postgres() else { return };
    let store = database.store().await;
    let Pools::Postgres(pool) = store.pools.clone() else { panic!("this is not PostgreSQL") };
    let work = move || {
        let limit = std::time::Duration::from_millis(100);
        pool.get().unwrap().run_within(limit, |connection| {
            diesel::sql_query("SELECT pg_sleep(60)").execute(connection)?;
            Ok(())
        })
    };
    let cut = tokio::task::spawn_blocking(work).await.unwrap();
    assert!(matches!(cut, Err(Fault::Lost(_))), "{cut:?}");
    assert_eq!(store.campaigns().await.unwrap(), []);
}

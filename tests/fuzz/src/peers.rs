//! Helpers of the targets whose program sends requests: a runtime, and a server that answers them.

use std::io::{Read, Result, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Returns the locked value, also after a panic of a thread that held the lock.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads each connection's request until it is complete, sends the answer, and closes the connection.
pub(crate) fn answer_each<S: Read + Write + Send + 'static>(
    connections: impl Iterator<Item = Result<S>>,
    is_whole: fn(&[u8]) -> bool,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    for mut stream in connections.flatten() {
        // A client may open a connection that it never uses; the other connections must not wait for it.
        let answer = Arc::clone(&answer);
        std::thread::spawn(move || {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !is_whole(&request) {
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => request.extend_from_slice(piece.get(..length).unwrap_or_default()),
                }
            }
            // The client may have closed the connection already.
            let _ = stream.write_all(&answer(&request));
        });
    }
}

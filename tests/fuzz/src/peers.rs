//! What the programs that answer the guard's questions have in common.

use std::io::{Read, Result, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// What is behind a lock, whatever has panicked while it was held.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers each connection with what is said to its request, once that is whole, and ends it.
pub(crate) fn answer_each<S: Read + Write + Send + 'static>(
    connections: impl Iterator<Item = Result<S>>,
    is_whole: fn(&[u8]) -> bool,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    for mut stream in connections.flatten() {
        // A connection that is made and never used must not keep the others waiting.
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
            // The client may have heard enough.
            let _ = stream.write_all(&answer(&request));
        });
    }
}

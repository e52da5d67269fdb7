//! `admin.token` and `admin.url`, as the server writes them.
//!
//! The server holds a lock on `admin.url` for as long as it serves. The kernel lets it go with the process, however that
//! ends: an address without a lock was left by a server that was killed, and nobody shows the token to whoever listens
//! there now. The lock on the data directory would not tell: `fsck` holds it too, and a server that still starts.

use crate::failure::Failure;
use crate::welcome::reachable;
use moraine_engine::{Secret, Store};
use std::fmt::Write;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file that holds the token.
pub const TOKEN_FILE: &str = "admin.token";
/// The file that holds the address of the running server.
pub const URL_FILE: &str = "admin.url";

const TOKEN_BYTES: usize = 32;
/// Who else may read: group and others.
const OTHERS: u32 = 0o077;

/// The token of the store, made if there is none. `None` if it cannot be made: a disk that is full keeps nobody from
/// serving what is on it, only the admin API stays closed.
///
/// One that others could read may be known to them, so it is replaced; a file that holds no token is an error: somebody
/// meant something by it.
pub fn token(store: &Store, data: &Path) -> Result<Option<Secret>, Failure> {
    let path = data.join(TOKEN_FILE);
    let failed = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(made(store)),
        Err(error) => return Err(failed(error)),
    };
    let mode = std::fs::metadata(&path)
        .map_err(failed)?
        .permissions()
        .mode();
    if mode & OTHERS != 0 {
        tracing::warn!(
            file = %path.display(),
            "other users could read the admin token: it is replaced by a new one"
        );
        return Ok(made(store));
    }
    let text = String::from_utf8(text).unwrap_or_default();
    let text = text.trim();
    if is_token(text) {
        return Ok(Some(Secret::new(text.to_owned())));
    }
    Err(Failure::new(format!(
        "{} does not hold {} hexadecimal digits: remove it, and a new token is made",
        path.display(),
        TOKEN_BYTES * 2
    )))
}

/// Whether a text has the form of a token.
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn made(store: &Store) -> Option<Secret> {
    let mut bytes = [0; TOKEN_BYTES];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "no random numbers for an admin token: the admin API stays closed");
        return None;
    }
    let token = bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    });
    match store.replace_side_file(TOKEN_FILE, format!("{token}\n").as_bytes()) {
        Ok(()) => Some(Secret::new(token)),
        Err(error) => {
            tracing::error!(%error, "the admin token cannot be written: the admin API stays closed");
            None
        }
    }
}

/// An address that was announced; dropping it takes it back.
#[derive(Debug)]
pub struct Announced {
    path: PathBuf,
    /// Holds the lock.
    _locked: File,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            let file = self.path.display();
            tracing::warn!(%file, %error, "the address of the admin API stays behind");
        }
    }
}

/// Says where the server can be reached from this machine. Where that cannot be written, commands need `--admin`.
pub fn announce(store: &Store, data: &Path, admin: SocketAddr) -> Option<Announced> {
    let url = format!("http://{}\n", reachable(admin));
    if let Err(error) = store.replace_side_file(URL_FILE, url.as_bytes()) {
        tracing::error!(%error, "the address of the admin API cannot be written");
        return None;
    }
    let path = data.join(URL_FILE);
    // The file is new: who else locks it only looks, for a moment.
    match File::open(&path).and_then(|file| file.lock().map(|()| file)) {
        Ok(locked) => Some(Announced {
            path,
            _locked: locked,
        }),
        Err(error) => {
            tracing::error!(%error, "the address of the admin API cannot be locked: commands need --admin");
            None
        }
    }
}

/// The address that a running server announced; `None` if none runs, whatever one that was killed left behind.
pub fn announced(data: &Path) -> std::io::Result<Option<String>> {
    let file = match File::open(data.join(URL_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let url = std::io::read_to_string(file)?;
            Ok(Some(url.trim().to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moraine_engine::Options;
    use std::path::PathBuf;

    /// A store in a folder of its own, removed when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> (Self, Store) {
            let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            let store = Store::open(&path, Options::default()).unwrap();
            (Self(path), store)
        }

        fn mode(&self, name: &str) -> u32 {
            let metadata = std::fs::metadata(self.0.join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_token_is_made_once_for_our_eyes_only() {
        let (folder, store) = Folder::new("token-once");
        let token_file = || {
            let token = token(&store, &folder.0).unwrap();
            token.unwrap().expose().to_owned()
        };
        let first = token_file();
        assert!(is_token(&first), "{first}");
        assert_eq!(token_file(), first);
        assert_eq!(folder.mode(TOKEN_FILE), 0o600);
    }

    #[test]
    fn a_token_that_others_could_read_is_replaced() {
        let (folder, store) = Folder::new("token-open");
        let first = token(&store, &folder.0).unwrap();
        assert!(first.is_some());
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(folder.0.join(TOKEN_FILE), open).unwrap();
        let second = token(&store, &folder.0).unwrap();
        assert!(second.is_some() && second != first);
        assert_eq!(folder.mode(TOKEN_FILE), 0o600);
    }

    #[test]
    fn what_is_no_token_is_not_overwritten() {
        let (folder, store) = Folder::new("token-other");
        store
            .replace_side_file(TOKEN_FILE, b"my own words")
            .unwrap();
        let error = token(&store, &folder.0).unwrap_err().to_string();
        assert!(
            error.contains(TOKEN_FILE) && error.contains("remove it"),
            "{error}"
        );
        assert!(!error.contains("my own words"), "{error}");
    }

    #[test]
    fn the_address_is_one_that_this_machine_can_reach() {
        let (folder, store) = Folder::new("announce");
        let said = |admin: &str| {
            let held = announce(&store, &folder.0, admin.parse().unwrap());
            assert_eq!(folder.mode(URL_FILE), 0o600);
            let url = announced(&folder.0).unwrap();
            assert!(held.is_some());
            url.unwrap()
        };
        assert_eq!(said("0.0.0.0:8901"), "http://127.0.0.1:8901");
        assert_eq!(said("[::]:8901"), "http://[::1]:8901");
        assert_eq!(said("10.0.0.1:99"), "http://10.0.0.1:99");
        assert!(!folder.0.join(URL_FILE).exists());
    }

    #[test]
    fn an_address_that_was_left_behind_counts_for_nothing() {
        let (folder, store) = Folder::new("left-behind");
        assert_eq!(announced(&folder.0).unwrap(), None);
        store
            .replace_side_file(URL_FILE, b"http://127.0.0.1:8901\n")
            .unwrap();
        // The store is open, and so its lock is held: that says nothing about the address.
        assert_eq!(announced(&folder.0).unwrap(), None);
        let held = announce(&store, &folder.0, "127.0.0.1:99".parse().unwrap());
        assert_eq!(
            announced(&folder.0).unwrap().as_deref(),
            Some("http://127.0.0.1:99")
        );
        drop(held);
        assert_eq!(announced(&folder.0).unwrap(), None);
    }
}

//! `moraine key`: pairs of an access key and a secret, with which a tenant signs.
//!
//! A secret is never taken from the command line, where other users of the machine could read it.

use crate::admin::call::{Api, TargetFlags, list as list_of, place};
use crate::date::rfc3339;
use crate::failure::{Failure, Outcome};
use crate::report;
use crate::sheet::Sheet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes of a file that holds a secret key: more than the longest, and its end of line.
const SECRET_FILE_BYTES_MAX: u64 = 1024;

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a key; the secret is shown this once
    Create {
        /// Whom it acts for: a tenant's name or id
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// An access key of your own, such as the one used with another store
        #[arg(long, value_name = "KEY")]
        access_key: Option<String>,
        /// A file that holds the secret key belonging to it; `-` for standard input
        #[arg(long, value_name = "FILE", requires = "access_key")]
        secret_key_file: Option<PathBuf>,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// List keys, without their secrets
    List {
        /// Only those of this tenant
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// Delete a key; it stops working at once
    Delete {
        /// The access key
        access_key: String,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// Make a new key for the tenant of an old one, and delete the old one
    Rotate {
        /// The old access key
        access_key: String,
        /// Let the old key work on, until it is deleted
        #[arg(long)]
        keep_old: bool,
        #[command(flatten)]
        target: TargetFlags,
    },
}

/// A new key.
#[derive(Deserialize, Serialize)]
struct Made {
    access_key: String,
    secret_key: String,
    tenant: String,
    tenant_id: String,
    created_ms: u64,
}

/// A key, as the API shows it later.
#[derive(Deserialize, Serialize)]
struct Key {
    access_key: String,
    tenant: String,
    tenant_id: String,
    created_ms: u64,
}

#[derive(Deserialize, Serialize)]
struct List {
    keys: Vec<Key>,
}

/// Does what was asked.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Create {
            tenant,
            access_key,
            secret_key_file,
            target,
        } => {
            let secret = secret_key_file.as_deref().map(read_secret).transpose()?;
            create(tenant, access_key.as_deref(), secret, target)?;
        }
        What::List { tenant, target } => list(tenant.as_deref(), target)?,
        What::Delete { access_key, target } => delete(access_key, target)?,
        What::Rotate {
            access_key,
            keep_old,
            target,
        } => rotate(access_key, *keep_old, target)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(
    tenant: &str,
    access_key: Option<&str>,
    secret: Option<String>,
    target: &TargetFlags,
) -> Result<(), Failure> {
    let own_secret = secret.is_some();
    let body = json!({"tenant": tenant, "access_key": access_key, "secret_key": secret});
    let made: Made = Api::of(target)?.post("/v1/keys", &body)?;
    report::done(target.json, &made, || {
        if own_secret {
            format!(
                "access key {} added to tenant {}",
                made.access_key, made.tenant
            )
        } else {
            shown(&made)
        }
    })
}

fn shown(made: &Made) -> String {
    format!(
        "Access key  {}\nSecret key  {}\n\nThe secret is shown only now. It reaches the buckets of tenant {}.",
        made.access_key, made.secret_key, made.tenant
    )
}

fn list(tenant: Option<&str>, target: &TargetFlags) -> Result<(), Failure> {
    let list: List = Api::of(target)?.get(&list_of("keys", tenant)?)?;
    report::list(target.json, &list, || {
        let mut sheet = Sheet::default();
        sheet.columns(&["access key", "tenant", "created"]);
        for key in &list.keys {
            sheet.row(vec![
                Value::from(key.access_key.as_str()),
                Value::from(key.tenant.as_str()),
                Value::from(rfc3339(key.created_ms)),
            ]);
        }
        sheet
    })
}

fn delete(access_key: &str, target: &TargetFlags) -> Result<(), Failure> {
    Api::of(target)?.delete(&place("keys", access_key)?)?;
    report::done(target.json, &json!({"deleted": access_key}), || {
        format!("access key {access_key} deleted")
    })
}

fn rotate(access_key: &str, keep_old: bool, target: &TargetFlags) -> Result<(), Failure> {
    let path = format!("{}/rotate", place("keys", access_key)?);
    let made: Made = Api::of(target)?.post(&path, &json!({"keep_old": keep_old}))?;
    report::done(target.json, &made, || {
        let old = if keep_old {
            format!("{access_key} works on; end it with: moraine key delete {access_key}")
        } else {
            format!("{access_key} has stopped working.")
        };
        format!("{}\n{old}", shown(&made))
    })
}

/// The secret in a file, without the end of its line.
fn read_secret(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let from: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(path);
        Box::new(file.map_err(|error| unreadable(path, &error))?)
    };
    from.take(SECRET_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(path, &error))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(Failure::new(format!(
            "{} holds no secret key",
            path.display()
        )));
    }
    Ok(secret.to_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "cannot read the secret key in {}: {error}",
        path.display()
    ))
}

//! `moraine tenant`: one for each server that uses the store.

use crate::admin::call::{Api, TargetFlags, place};
use crate::bytes::Amount;
use crate::date::rfc3339;
use crate::failure::{Failure, Outcome};
use crate::report;
use crate::sheet::Sheet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::process::ExitCode;

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a tenant
    Create {
        /// Its name; that of the server it stands for is a good one, such as mastodon.example
        name: String,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// List all tenants and what they hold
    List {
        #[command(flatten)]
        target: TargetFlags,
    },
    /// Delete a tenant that has no bucket left; its keys go with it
    Delete {
        /// Its name or id
        name: String,
        #[command(flatten)]
        target: TargetFlags,
    },
}

/// A tenant, as the API shows it.
#[derive(Deserialize, Serialize)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    created_ms: u64,
    pub keys: u64,
    pub buckets: u64,
    pub names: u64,
    pub logical_bytes: u64,
    pub upload_bytes: u64,
}

/// A list, as the API shows it.
#[derive(Deserialize, Serialize)]
struct List {
    tenants: Vec<Tenant>,
}

/// Does what was asked.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Create { name, target } => create(name, target)?,
        What::List { target } => list(target)?,
        What::Delete { name, target } => delete(name, target)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(name: &str, target: &TargetFlags) -> Result<(), Failure> {
    let tenant: Tenant = Api::of(target)?.post("/v1/tenants", &json!({"name": name}))?;
    report::done(target.json, &tenant, || {
        format!(
            "tenant {} created (id {})\nnext: moraine key create --tenant {}",
            tenant.name, tenant.id, tenant.name
        )
    })
}

fn list(target: &TargetFlags) -> Result<(), Failure> {
    let list: List = Api::of(target)?.get("/v1/tenants")?;
    report::list(target.json, &list, || {
        let mut sheet = Sheet::default();
        sheet.columns(&[
            "tenant", "id", "keys", "buckets", "names", "bytes", "created",
        ]);
        for tenant in &list.tenants {
            sheet.row(vec![
                Value::from(tenant.name.as_str()),
                Value::from(tenant.id.as_str()),
                Value::from(tenant.keys),
                Value::from(tenant.buckets),
                Value::from(tenant.names),
                Value::from(Amount(tenant.logical_bytes).to_string()),
                Value::from(rfc3339(tenant.created_ms)),
            ]);
        }
        sheet
    })
}

fn delete(name: &str, target: &TargetFlags) -> Result<(), Failure> {
    Api::of(target)?.delete(&place("tenants", name)?)?;
    report::done(target.json, &json!({"deleted": name}), || {
        format!("tenant {name} deleted, with its keys")
    })
}

//! `moraine bucket`: buckets of all tenants. Tenants make and delete their own over S3 too.

use crate::admin::call::{Api, TargetFlags, list as list_of, place};
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
    /// Make a bucket
    Create {
        /// Its name: 3 to 63 lower-case letters, digits, dots and hyphens
        name: String,
        /// Whose it is: a tenant's name or id
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// Let everybody read what is in it, whatever the ACL of an object says
        #[arg(long)]
        public_read: bool,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// List buckets and what they hold
    List {
        /// Only those of this tenant
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// Delete an empty bucket
    Delete {
        /// Its name or id
        name: String,
        #[command(flatten)]
        target: TargetFlags,
    },
    /// Say who may read what is in a bucket
    #[command(group = clap::ArgGroup::new("reads").required(true))]
    Set {
        /// Its name or id
        name: String,
        /// Everybody, whatever the ACL of an object says
        #[arg(long, group = "reads")]
        public_read: bool,
        /// Its tenant; others only what an object's own ACL opens
        #[arg(long, group = "reads")]
        private: bool,
        #[command(flatten)]
        target: TargetFlags,
    },
}

/// A bucket, as the API shows it.
#[derive(Deserialize, Serialize)]
struct Bucket {
    id: String,
    name: String,
    tenant: String,
    tenant_id: String,
    public_read: bool,
    created_ms: u64,
    names: u64,
    logical_bytes: u64,
    upload_bytes: u64,
}

#[derive(Deserialize, Serialize)]
struct List {
    buckets: Vec<Bucket>,
}

/// Does what was asked.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Create {
            name,
            tenant,
            public_read,
            target,
        } => create(name, tenant, *public_read, target)?,
        What::List { tenant, target } => list(tenant.as_deref(), target)?,
        What::Delete { name, target } => delete(name, target)?,
        What::Set {
            name,
            public_read,
            target,
            ..
        } => set(name, *public_read, target)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(
    name: &str,
    tenant: &str,
    public_read: bool,
    target: &TargetFlags,
) -> Result<(), Failure> {
    let body = json!({"name": name, "tenant": tenant, "public_read": public_read});
    let bucket: Bucket = Api::of(target)?.post("/v1/buckets", &body)?;
    report::done(target.json, &bucket, || {
        format!(
            "bucket {} created for tenant {}",
            bucket.name, bucket.tenant
        )
    })
}

fn list(tenant: Option<&str>, target: &TargetFlags) -> Result<(), Failure> {
    let list: List = Api::of(target)?.get(&list_of("buckets", tenant)?)?;
    report::list(target.json, &list, || {
        let mut sheet = Sheet::default();
        sheet.columns(&[
            "bucket",
            "tenant",
            "reads",
            "names",
            "bytes",
            "in uploads",
            "created",
        ]);
        for bucket in &list.buckets {
            sheet.row(vec![
                Value::from(bucket.name.as_str()),
                Value::from(bucket.tenant.as_str()),
                Value::from(reads(bucket.public_read)),
                Value::from(bucket.names),
                Value::from(Amount(bucket.logical_bytes).to_string()),
                Value::from(Amount(bucket.upload_bytes).to_string()),
                Value::from(rfc3339(bucket.created_ms)),
            ]);
        }
        sheet
    })
}

fn delete(name: &str, target: &TargetFlags) -> Result<(), Failure> {
    Api::of(target)?.delete(&place("buckets", name)?)?;
    report::done(target.json, &json!({"deleted": name}), || {
        format!("bucket {name} deleted")
    })
}

fn set(name: &str, public_read: bool, target: &TargetFlags) -> Result<(), Failure> {
    let path = place("buckets", name)?;
    let bucket: Bucket = Api::of(target)?.patch(&path, &json!({"public_read": public_read}))?;
    report::done(target.json, &bucket, || {
        format!("bucket {} is {}", bucket.name, reads(bucket.public_read))
    })
}

const fn reads(public: bool) -> &'static str {
    if public { "public-read" } else { "private" }
}

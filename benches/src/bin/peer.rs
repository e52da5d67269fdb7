//! A bare server to measure against: `peer get` answers from memory, `peer put` takes bodies and throws them away.
//!
//! Prints `ready` once it listens, and runs until it is stopped.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it says when it is ready")]

use clap::{Parser, Subcommand};
use moraine_benches::load::Done;
use moraine_benches::load::body::Template;
use moraine_benches::load::requests::Sizes;
use moraine_benches::peer::{Hashing, Objects, Peer, Put, serve};
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::net::TcpListener;

/// A bare server on hyper: the ceiling for one that stores.
#[derive(Parser)]
struct Args {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Answers GET from memory
    Get {
        /// Sizes of the objects, as `load --size` names them
        #[arg(long, value_delimiter = ',', value_parser = Sizes::parse, default_value = "4KiB,64KiB,1MiB,16MiB")]
        sizes: Vec<Sizes>,
        /// The bucket in the paths
        #[arg(long, default_value = "media")]
        bucket: String,
        /// As of `load`
        #[arg(long, default_value_t = 1)]
        seed: u32,
    },
    /// Takes bodies
    Put {
        /// What is computed of each
        #[arg(long, value_enum)]
        hashing: Hashing,
        /// Once it is complete, on threads for blocking work
        #[arg(long)]
        pool: bool,
    },
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("peer: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Done {
    let peer = match args.kind {
        Kind::Get {
            sizes,
            bucket,
            seed,
        } => Peer::Get(Objects::new(&bucket, &sizes, &Template::new(seed))),
        Kind::Put { hashing, pool } => Peer::Put(Put { hashing, pool }),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen)
            .await
            .map_err(|error| format!("{}: {error}", args.listen))?;
        println!("ready");
        serve(listener, peer).await;
        Ok(())
    })
}

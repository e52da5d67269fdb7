//! A simulated store and its model, led through a history together.

use super::index_fault::IndexFaults;
use super::model::{Check, Failure, Model, ensure};
use super::observe::observe;
use super::op::Op;
use super::plan::{Slots, request};
use super::request::{Reply, is_fault};
use super::rng::Rng;
use super::settle::{Conditions, Step};
use super::sim_store::SimStore;
use crate::clock::Clock;
use crate::index::names::Usage;
use crate::io::sim::{CrashMode, SimConfig, SimDisk};
use crate::sync::Arc;
use crate::{Error, Health, Incarnation, Options, TenantId};
use std::collections::BTreeMap;

/// The tenant that owns all buckets.
const TENANT: &str = "simulation";

/// A store and what it must hold.
pub struct World {
    /// The store.
    pub sim: SimStore,
    /// What it must hold.
    pub model: Model,
    /// Whether the disk may fail: then errors that say so are no failures.
    pub faults: bool,
    /// How many requests of each kind had an effect.
    pub met: BTreeMap<&'static str, u64>,
    /// Requests that were refused for want of room, since a test last looked.
    pub refusals: u64,
    /// Whether bytes of the log may change under the store: then reports of damage are no failures.
    pub damage: bool,
    slots: Slots,
    tenant: Option<TenantId>,
    indexes: IndexFaults,
    rng: Rng,
    /// That of the last write, and whether the store was opened since.
    incarnation: Incarnation,
    reopened: bool,
}

/// What a world knows, without its store.
#[derive(Clone, Debug)]
pub struct Past {
    /// What the store must hold.
    pub model: Model,
    faults: bool,
    damage: bool,
    slots: Slots,
    tenant: Option<TenantId>,
    indexes: IndexFaults,
    rng: Rng,
    incarnation: Incarnation,
    now_ms: u64,
}

impl Past {
    /// A world with this past, on a disk that has it, too. The store is not open yet.
    pub fn on(&self, disk: Arc<SimDisk>, seed: u64, options: Options) -> World {
        let sim = SimStore::on(disk, seed, options);
        sim.clock.set(self.now_ms);
        World {
            sim,
            model: self.model.clone(),
            faults: self.faults,
            met: BTreeMap::new(),
            refusals: 0,
            damage: self.damage,
            slots: self.slots.clone(),
            tenant: self.tenant,
            indexes: self.indexes.clone(),
            rng: self.rng.clone(),
            incarnation: self.incarnation,
            reopened: true,
        }
    }
}

impl World {
    /// An empty disk; [`Self::start`] comes next.
    pub fn new(seed: u64, config: SimConfig, options: Options) -> Self {
        Self::over(SimStore::new(seed, config, options), seed)
    }

    /// A store that the model knows nothing of yet.
    pub fn over(sim: SimStore, seed: u64) -> Self {
        Self {
            sim,
            model: Model::default(),
            faults: false,
            met: BTreeMap::new(),
            refusals: 0,
            damage: false,
            slots: Slots::default(),
            tenant: None,
            indexes: IndexFaults::default(),
            rng: Rng::new(seed ^ 0x0077_6f72_6c64),
            incarnation: Incarnation(0),
            reopened: true,
        }
    }

    /// What the world knows, without the store: to go on from here in several ways.
    pub fn past(&self) -> Past {
        Past {
            model: self.model.clone(),
            faults: self.faults,
            damage: self.damage,
            slots: self.slots.clone(),
            tenant: self.tenant,
            indexes: self.indexes.clone(),
            rng: self.rng.clone(),
            incarnation: self.incarnation,
            now_ms: self.sim.clock.now_ms(),
        }
    }

    /// The disk under the store.
    pub fn disk(&self) -> &SimDisk {
        &self.sim.disk
    }

    /// Whether a crash has stopped the disk.
    pub fn is_frozen(&self) -> bool {
        self.sim.disk.is_frozen()
    }

    /// Whether the store takes writes.
    pub fn is_writable(&self) -> bool {
        self.sim.is_open() && matches!(self.sim.store().health(), Health::Ok)
    }

    /// Opens the store and makes the tenant if there is none. False if a fault or a crash came between.
    pub fn start(&mut self) -> Check<bool> {
        if let Err(error) = self.sim.open() {
            return self.excuse("open", error);
        }
        self.reopened = true;
        let found = self
            .sim
            .store()
            .tenants()
            .into_iter()
            .find(|tenant| tenant.name == TENANT);
        let tenant = match found {
            Some(found) => found.id,
            None => {
                ensure!(self.tenant.is_none(), "the tenant is gone");
                let store = self.sim.store().clone();
                match self
                    .sim
                    .block_on(async move { store.create_tenant(TENANT).await })
                {
                    Ok(tenant) => tenant.id,
                    Err(error) => {
                        self.sim.kill();
                        return self.excuse("create_tenant", error);
                    }
                }
            }
        };
        ensure!(
            self.tenant.is_none_or(|before| before == tenant),
            "the tenant has another id"
        );
        self.tenant = Some(tenant);
        Ok(true)
    }

    fn excuse(&self, what: &str, error: Error) -> Check<bool> {
        ensure!(
            self.is_frozen() || (self.faults && is_fault(&error)),
            "{what} fails without a fault: {error}"
        );
        Ok(false)
    }

    /// Runs a history until its end, or until a crash has stopped the disk.
    pub fn run(&mut self, history: &[Op]) -> Check {
        for (number, op) in history.iter().enumerate() {
            if self.is_frozen() || !self.sim.is_open() {
                return Ok(());
            }
            self.step(op)
                .map_err(|failure| Failure(format!("operation {number}: {}", failure.0)))?;
        }
        Ok(())
    }

    /// Runs one operation.
    pub fn step(&mut self, op: &Op) -> Check {
        match op {
            Op::Together(group) => self.group(group)?,
            Op::Checkpoint => {
                if let Err(error) = self.sim.stepper().checkpoint() {
                    self.excuse("checkpoint", error)?;
                }
            }
            Op::Seal => {
                if let Err(error) = self.sim.stepper().seal() {
                    self.excuse("seal", error)?;
                }
            }
            Op::Prepare => self.sim.stepper().prepare(),
            Op::Idle { ms } => {
                let now = self.sim.clock.now_ms() + ms;
                self.sim.clock.set(now);
                self.sim.stepper().attest();
            }
            Op::Jump { ms } => {
                let now = self.sim.clock.now_ms().saturating_add_signed(*ms);
                self.sim.clock.set(now);
            }
            Op::Reopen { clean, fault } => {
                self.stop(*clean)?;
                if self.is_frozen() {
                    return Ok(());
                }
                let disk = Arc::clone(&self.sim.disk);
                self.indexes.inflict(*fault, &disk);
                return self.reopen();
            }
            single => self.group(std::slice::from_ref(single))?,
        }
        if !self.model.open.is_empty() && self.is_writable() && !self.is_frozen() {
            let checked = self.check();
            // Where something is damaged, not all can be read: the model then keeps its alternatives.
            return if self.damage { Ok(()) } else { checked };
        }
        Ok(())
    }

    fn group(&mut self, ops: &[Op]) -> Check {
        let Some(tenant) = self.tenant else {
            return Ok(());
        };
        let disk = Arc::clone(&self.sim.disk);
        let log = move || newest_segment(&disk);
        let planned: Vec<_> = ops
            .iter()
            .filter_map(|op| {
                let request = request(op, &self.model, &self.slots, tenant, &log)?;
                Some((op.clone(), request))
            })
            .collect();
        let now = Conditions {
            faults: self.faults || self.is_frozen(),
            damage: self.damage,
            read_only: !self.is_writable(),
        };
        let requests: Vec<_> = planned.iter().map(|(_, request)| request.clone()).collect();
        let replies = self.sim.together(&mut self.rng, &requests)?;
        let now = Conditions {
            faults: now.faults || self.is_frozen(),
            ..now
        };
        let steps: Vec<Step> = planned
            .into_iter()
            .zip(replies)
            .map(|((op, request), reply)| Step { op, request, reply })
            .collect();
        for step in &steps {
            self.learn_slots(step);
            self.check_incarnation(step)?;
            if let Some(kind) = step.kind() {
                *self.met.entry(kind).or_default() += 1;
            }
            let error = step.reply.as_ref().and_then(Reply::error);
            self.refusals += u64::from(matches!(error, Some(Error::NoSpace { .. })));
        }
        self.model.settle(&steps, now)
    }

    fn learn_slots(&mut self, step: &Step) {
        match (&step.op, &step.reply) {
            (Op::CreateBucket { bucket: slot }, Some(Reply::Bucket(Ok(bucket)))) => {
                self.slots.buckets.insert(*slot, bucket.id);
            }
            (Op::CreateUpload { upload, bucket, .. }, Some(Reply::Upload(Ok(id)))) => {
                self.slots.uploads.insert(*upload, (*bucket, *id));
            }
            _ => {}
        }
    }

    /// Each start of the node is a new incarnation, larger than all before.
    fn check_incarnation(&mut self, step: &Step) -> Check {
        let Some(Reply::Object(Ok(object))) = &step.reply else {
            return Ok(());
        };
        let (now, last) = (object.at.incarnation, self.incarnation);
        ensure!(now >= last, "incarnation {now} comes after {last}");
        ensure!(
            self.reopened == (now > last),
            "incarnation {now} comes after {last}"
        );
        self.incarnation = now;
        self.reopened = false;
        Ok(())
    }

    fn stop(&mut self, clean: bool) -> Check {
        if clean {
            let writable = self.is_writable();
            if let Err(error) = self.sim.close() {
                ensure!(
                    self.is_frozen() || !writable || (self.faults && is_fault(&error)),
                    "closing fails without a fault: {error}"
                );
            }
        } else {
            self.sim.kill();
        }
        Ok(())
    }

    /// Opens the store again and checks what it holds. A fault may make the first try fail, not the second.
    pub fn reopen(&mut self) -> Check {
        if !self.start()? {
            if self.is_frozen() {
                return Ok(());
            }
            self.disk().clear_faults();
            let started = self.start()?;
            ensure!(
                started || self.is_frozen(),
                "the store does not open after the fault"
            );
        }
        if self.is_frozen() {
            Ok(())
        } else {
            self.check()
        }
    }

    /// Loses power; opens what survived and checks it. A crash of the recovery itself is followed by another one.
    pub fn crash(&mut self, mode: CrashMode) -> Check {
        self.sim.kill();
        self.disk().crash(mode);
        self.reopen()
    }

    /// Reads everything and compares it with the model.
    pub fn check(&mut self) -> Check {
        let Some(tenant) = self.tenant else {
            return Ok(());
        };
        let mut seen = self.observe(tenant);
        // Reading may repair an index, and a crash may strike that.
        if seen.is_err() && self.is_frozen() {
            return Ok(());
        }
        if seen.is_err() && self.faults {
            self.disk().clear_faults();
            seen = self.observe(tenant);
        }
        let seen = seen?;
        for (slot, state) in &seen {
            self.slots.buckets.insert(*slot, state.id);
        }
        self.model.reconcile(seen)?;
        self.check_usage()
    }

    /// The counters are those of what is there.
    fn check_usage(&self) -> Check {
        for (slot, state) in &self.model.contents {
            let parts = state
                .uploads
                .values()
                .flat_map(|upload| upload.parts.values());
            let expected = Usage {
                names: state.objects.len() as u64,
                bytes: state
                    .objects
                    .values()
                    .map(|value| value.content.len() as u64)
                    .sum(),
                upload_bytes: parts.map(|part| part.size).sum(),
            };
            let found = self.sim.store().usage(state.id);
            ensure!(
                found == expected,
                "bucket {slot} counts {found:?}; it holds {expected:?}"
            );
        }
        Ok(())
    }

    fn observe(&mut self, tenant: TenantId) -> Check<super::model::Contents> {
        let store = self.sim.store().clone();
        self.sim
            .block_on(async move { observe(&store, tenant).await })
    }
}

/// The bytes of the newest segment file.
fn newest_segment(disk: &SimDisk) -> Vec<u8> {
    let files = disk.files();
    let newest = files.iter().rev().find(|path| path.starts_with("log/"));
    newest
        .and_then(|path| disk.read_file(path).ok())
        .unwrap_or_default()
}

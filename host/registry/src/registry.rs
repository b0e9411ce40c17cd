//! The blocking face of the crate.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kiln_image::manifest::Descriptor;
use kiln_image::reference::Reference;
use kiln_image::store::Store;
use tokio::runtime::Runtime;

use crate::body::Progress;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::manifests::PushedManifest;
use crate::push::PushedBlob;
use crate::session::Session;

/// Threads that drive connections; each operation also works on its caller's thread.
const WORKERS: usize = 2;
/// How soon a request to stop is noticed.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// Access to registries: connections, credentials and tokens are kept and shared.
///
/// All methods block, may be called from several threads at once, and fail with
/// [`Error::Cancelled`] soon after [`Config::cancel`] is set. They must not be called from inside
/// of an asynchronous runtime.
#[derive(Debug)]
pub struct Registry {
    session: Session,
    runtime: Runtime,
}

impl Registry {
    /// Makes a client. Nothing is read or connected to before it is needed.
    ///
    /// # Errors
    /// [`Error::Config`] if the system gives no threads.
    pub fn new(config: Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("registry")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Error::config("threads", error.to_string()))?;
        Ok(Self { session: Session::new(config), runtime })
    }

    /// What a reference names now: its descriptor and its bytes, an index or an image manifest.
    ///
    /// The bytes are verified against the reference's digest, if it has one, and the registry's.
    ///
    /// # Errors
    /// Any of [`Error`]; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) where there is no such
    /// image.
    pub fn resolve(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>)> {
        self.block(self.session.resolve(reference))
    }

    /// What a reference names now, without the bytes: on Docker Hub this does not count as a pull.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub fn head(&self, reference: &Reference) -> Result<Descriptor> {
        self.block(self.session.head(reference))
    }

    /// The bytes of a manifest of the reference's repository, verified against its descriptor.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub fn manifest(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.block(self.session.manifest(reference, descriptor))
    }

    /// Brings a blob of the reference's repository into the store, if it is not there.
    ///
    /// # Errors
    /// Any of [`Error`]; nothing unverified gets into the store.
    pub fn pull_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        store: &Store,
        progress: Option<&Progress>,
    ) -> Result<()> {
        self.block(self.session.pull_blob(reference, descriptor, store, progress))
    }

    /// Brings several blobs into the store, [`Config::parallel`] at a time. `progress` is asked for
    /// each blob's own.
    ///
    /// # Errors
    /// That of the first blob that fails; blobs under way are finished, others are not begun.
    pub fn pull_blobs(
        &self,
        reference: &Reference,
        descriptors: &[Descriptor],
        store: &Store,
        progress: &(dyn Fn(&Descriptor) -> Option<Progress> + Sync),
    ) -> Result<()> {
        self.each(descriptors, |blob| {
            self.pull_blob(reference, blob, store, progress(blob).as_ref())
        })
    }

    /// Whether the registry has a blob of this digest and size in the reference's repository.
    /// Mirrors are not asked.
    ///
    /// # Errors
    /// Any of [`Error`] but that the blob is missing.
    pub fn blob_exists(&self, reference: &Reference, descriptor: &Descriptor) -> Result<bool> {
        self.block(self.session.blob_exists(reference, descriptor))
    }

    /// Brings a blob of the store into the reference's repository: not at all if it is there, else
    /// mounted from one of the repositories `mount_from` of the same registry, else uploaded.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn push_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        store: &Store,
        mount_from: &[String],
        progress: Option<&Progress>,
    ) -> Result<PushedBlob> {
        self.block(self.session.push_blob(reference, descriptor, store, mount_from, progress))
    }

    /// Brings several blobs into the reference's repository, [`Config::parallel`] at a time, as
    /// [`Registry::push_blob`] does each.
    ///
    /// # Errors
    /// That of the first blob that fails; blobs under way are finished, others are not begun.
    pub fn push_blobs(
        &self,
        reference: &Reference,
        descriptors: &[Descriptor],
        store: &Store,
        mount_from: &[String],
        progress: &(dyn Fn(&Descriptor) -> Option<Progress> + Sync),
    ) -> Result<()> {
        self.each(descriptors, |blob| {
            self.push_blob(reference, blob, store, mount_from, progress(blob).as_ref()).map(|_| ())
        })
    }

    /// Writes a manifest or index under the reference's tag, or under its digest where it has none.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::Config`] where the reference has another digest.
    pub fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        content: &[u8],
    ) -> Result<PushedManifest> {
        self.block(self.session.push_manifest(reference, media_type, content.to_vec()))
    }

    /// The tags of the reference's repository, in the registry's order.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        self.block(self.session.tags(reference))
    }

    /// The manifests whose subject is `subject`: signatures, SBOMs, provenance.
    ///
    /// # Errors
    /// Any of [`Error`]; a registry older than the referrers API is asked for the tag that the
    /// specification gives as its substitute.
    pub fn referrers(
        &self,
        reference: &Reference,
        subject: &Descriptor,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        self.block(self.session.referrers(reference, subject, artifact_type))
    }

    /// Does the same to every blob, once for each digest, several at a time.
    fn each(
        &self,
        descriptors: &[Descriptor],
        transfer: impl Fn(&Descriptor) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let blobs: Vec<&Descriptor> =
            descriptors.iter().filter(|blob| seen.insert(blob.digest)).collect();
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let result = transfer(blob);
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                    return result;
                }
            }
            Ok(())
        };
        let threads = self.session.http.config().parallel.clamp(1, blobs.len().max(1));
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                let theirs = match other.join() {
                    Ok(theirs) => theirs,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                result = result.and(theirs);
            }
            result
        })
    }

    fn block<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let cancel = &self.session.http.config().cancel;
        let cancelled = async {
            while !cancel.load(Ordering::Relaxed) {
                tokio::time::sleep(CANCEL_POLL).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancelled => Err(Error::Cancelled),
                result = operation => result,
            }
        })
    }
}

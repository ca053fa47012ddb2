//! An S3 server on 127.0.0.1: requests, signatures and errors are those of the crate `s3s`; objects are files, by `s3s-fs`.
//!
//! Behind the feature `s3`, which wants a newer Rust than the rest.

#![allow(clippy::expect_used, reason = "a panic here is a test that failed")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
#[allow(clippy::wildcard_imports, reason = "eight requests with their answers")]
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot, watch};

/// The only key that the server knows.
pub const ACCESS_KEY: &str = "test-access-key";
/// The secret that belongs to [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "test-secret-key";
/// The only bucket.
pub const BUCKET: &str = "bucket";

/// A server with one bucket, on a port and in a directory of its own, until it is dropped.
#[derive(Debug)]
pub struct S3Server {
    root: TempDir,
    endpoint: String,
    stall: Arc<Stall>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server, on a thread of its own.
    ///
    /// # Panics
    /// If there is no directory, port or thread to be had.
    pub fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let listener = listener().expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let stall = Arc::<Stall>::default();
        let objects = Flat {
            files: FileSystem::new(root.path()).expect("a place for objects"),
            root: root.path().to_owned(),
            one: Mutex::default(),
            stall: Arc::clone(&stall),
        };
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, objects) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { root, endpoint, stall, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it is, as `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on all requests of this kind (`upload_part`, `head_object` and so on) are carried out and not answered,
    /// until [`go_on`](Self::go_on).
    pub fn stall(&self, request: &'static str) {
        self.stall.waiting.send_replace(0);
        self.stall.request.send_replace(request);
    }

    /// Waits until so many answers are held back.
    pub async fn stalled(&self, answers: usize) {
        let mut waiting = self.stall.waiting.subscribe();
        // The server's part of it is dropped with the server.
        let _ = waiting.wait_for(|waiting| *waiting >= answers).await;
    }

    /// Answers.
    pub fn go_on(&self) {
        self.stall("");
    }

    /// An object's bytes.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.path().join(BUCKET).join(file_name(key))).ok()
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        let names = names(&self.root.path().join(BUCKET)).into_iter();
        names.map(|name| name.replace("%2F", "/").replace("%25", "%")).collect()
    }

    /// The files that the server keeps for uploads under way.
    pub fn uploads(&self) -> Vec<String> {
        names(self.root.path()).into_iter().filter(|name| name.starts_with(".upload")).collect()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // If it panicked, it has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn listener() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Keys are names here, not paths.
fn file_name(key: &str) -> String {
    key.replace('%', "%25").replace('/', "%2F")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

async fn serve(listener: std::net::TcpListener, objects: Flat) {
    let mut service = S3ServiceBuilder::new(objects);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A client that goes away is none of our business.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// `s3s-fs`, with what it lacks of S3: keys are names, not paths; a bucket must be there to be written to; and a
/// condition holds until the object is there, so requests go one at a time.
struct Flat {
    files: FileSystem,
    root: PathBuf,
    one: Mutex<()>,
    stall: Arc<Stall>,
}

/// Holds answers back.
#[derive(Debug, Default)]
struct Stall {
    /// To requests of this name.
    request: watch::Sender<&'static str>,
    waiting: watch::Sender<usize>,
}

impl Stall {
    async fn pass(&self, request: &'static str) {
        if *self.request.borrow() == request {
            self.waiting.send_modify(|waiting| *waiting += 1);
            // It ends with the server.
            let _ = self.request.subscribe().wait_for(|stalled| *stalled != request).await;
        }
    }
}

impl Flat {
    fn name(&self, bucket: &str, key: &str) -> S3Result<String> {
        if !self.root.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(file_name(key))
    }
}

macro_rules! flat {
    ($($request:ident: $input:ident => $output:ident),+ $(,)?) => {
        #[async_trait]
        impl S3 for Flat {
            $(async fn $request(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let one = self.one.lock().await;
                request.input.key = self.name(&request.input.bucket, &request.input.key)?;
                let answer = self.files.$request(request).await;
                drop(one);
                self.stall.pass(stringify!($request)).await;
                answer
            })+
        }
    };
}

flat! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    put_object: PutObjectInput => PutObjectOutput,
    upload_part: UploadPartInput => UploadPartOutput,
}

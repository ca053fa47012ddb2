//! An S3 server: requests, signatures and errors are those of the crate `s3s`; objects are files, by `s3s-fs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use okdownload_output::OutputStreamFactory;
use okdownload_output_uri::{UriOutput, UriOutputBuilder};
use okdownload_testkit::suite::output::OutputFixture;
use okdownload_types::Location;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};

pub(crate) const ACCESS_KEY: &str = "test-access-key";
pub(crate) const SECRET_KEY: &str = "test-secret-key";
pub(crate) const BUCKET: &str = "bucket";

/// A server with one bucket, on a port and in a directory of its own.
#[derive(Debug)]
pub(crate) struct S3Server {
    root: TempDir,
    pub(crate) endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let objects = Flat {
            files: FileSystem::new(root.path()).unwrap(),
            root: root.path().to_owned(),
            one: Mutex::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, objects) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { root, endpoint, stop: Some(stop), thread: Some(thread) }
    }

    /// An output to this server, with the right credentials, whatever the environment says.
    pub(crate) fn builder(&self) -> UriOutputBuilder {
        UriOutput::builder()
            .option("s3", "endpoint", &self.endpoint)
            .option("s3", "region", "us-east-1")
            .option("s3", "access_key_id", ACCESS_KEY)
            .option("s3", "secret_access_key", SECRET_KEY)
            .option("s3", "disable_config_load", "true")
            .option("s3", "disable_ec2_metadata", "true")
    }

    /// The files that the server keeps for uploads under way.
    pub(crate) fn uploads(&self) -> Vec<String> {
        names(self.root.path().to_owned()).into_iter().filter(|name| name.starts_with(".upload")).collect()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(listener: std::net::TcpListener, objects: Flat) {
    let mut service = S3ServiceBuilder::new(objects);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
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
}

impl Flat {
    fn name(&self, bucket: &str, key: &str) -> S3Result<String> {
        if !self.root.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(key.replace('%', "%25").replace('/', "%2F"))
    }
}

macro_rules! flat {
    ($($request:ident: $input:ident => $output:ident),+ $(,)?) => {
        #[async_trait]
        impl S3 for Flat {
            $(async fn $request(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let _one = self.one.lock().await;
                request.input.key = self.name(&request.input.bucket, &request.input.key)?;
                self.files.$request(request).await
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

fn names(directory: PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[async_trait]
impl OutputFixture for S3Server {
    fn factory(&self) -> Arc<dyn OutputStreamFactory> {
        Arc::new(self.builder().build())
    }

    fn place(&self) -> Location {
        Location::Uri(format!("s3://{BUCKET}"))
    }

    async fn contents(&self, location: &Location) -> Option<Vec<u8>> {
        let key = location.to_string().strip_prefix(&format!("s3://{BUCKET}/"))?.to_owned();
        let name = key.replace('%', "%25").replace('/', "%2F");
        std::fs::read(self.root.path().join(BUCKET).join(name)).ok()
    }

    async fn names(&self) -> Vec<String> {
        let names = names(self.root.path().join(BUCKET)).into_iter();
        names.map(|name| name.replace("%2F", "/").replace("%25", "%")).collect()
    }

    fn keeps_modified(&self) -> bool {
        false
    }
}

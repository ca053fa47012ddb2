//! `s3://`, at a real S3 server.

use std::sync::Arc;

use async_trait::async_trait;
use okdownload_output::OutputStreamFactory;
use okdownload_output_uri::{UriOutput, UriOutputBuilder};
use okdownload_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use okdownload_testkit::suite::output::OutputFixture;
use okdownload_types::Location;

/// An output to this server, with the right credentials, whatever the environment says.
pub(crate) fn output(server: &S3Server) -> UriOutputBuilder {
    UriOutput::builder()
        .option("s3", "endpoint", server.endpoint())
        .option("s3", "region", "us-east-1")
        .option("s3", "access_key_id", ACCESS_KEY)
        .option("s3", "secret_access_key", SECRET_KEY)
        .option("s3", "disable_config_load", "true")
        .option("s3", "disable_ec2_metadata", "true")
}

/// A bucket to look at.
#[derive(Debug)]
pub(crate) struct Bucket(pub(crate) S3Server);

#[async_trait]
impl OutputFixture for Bucket {
    fn factory(&self) -> Arc<dyn OutputStreamFactory> {
        Arc::new(output(&self.0).build())
    }

    fn place(&self) -> Location {
        Location::Uri(format!("s3://{BUCKET}"))
    }

    async fn contents(&self, location: &Location) -> Option<Vec<u8>> {
        self.0.object(location.to_string().strip_prefix(&format!("s3://{BUCKET}/"))?)
    }

    async fn names(&self) -> Vec<String> {
        self.0.keys()
    }

    fn keeps_modified(&self) -> bool {
        false
    }
}

//! The output suite on every service that is built and tested.

mod places;

mod memory {
    okdownload_testkit::output_suite!(crate::places::memory());
}

mod fs {
    okdownload_testkit::output_suite!(crate::places::fs());
}

mod s3 {
    use okdownload_testkit::s3::S3Server;

    use crate::places::s3::Bucket;

    okdownload_testkit::output_suite!(Bucket(S3Server::start()));
}

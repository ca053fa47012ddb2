//! The output suite on every service that is built and tested.

mod places;

mod memory {
    okdownload_testkit::output_suite!(crate::places::memory());
}

mod fs {
    okdownload_testkit::output_suite!(crate::places::fs());
}

mod s3 {
    okdownload_testkit::output_suite!(crate::places::s3::S3Server::start());
}

//! The output suite on local files, with short work done by the threads that call.

use std::sync::Arc;

use okdownload_output_file::FileOutput;
use okdownload_testkit::suite::output::DirectoryFixture;

okdownload_testkit::output_suite!(DirectoryFixture::new(|| Arc::new(FileOutput::in_place())));

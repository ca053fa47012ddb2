//! What the engine does unless it is told otherwise holds what is asked of a strategy of one's own.

use okdownload::strategy::DefaultProcessFileStrategy;

okdownload_testkit::process_file_strategy_suite!(DefaultProcessFileStrategy);

mod download {
    okdownload_testkit::download_strategy_suite!(okdownload::strategy::DefaultDownloadStrategy);
}

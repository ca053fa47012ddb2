//! One block is a strategy.

okdownload_testkit::download_strategy_suite!(one_block::OneBlock);

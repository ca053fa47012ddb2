//! What each path answers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::log::lock;
use super::reply::Reply;
use super::request::Request;
use super::resource::Resource;

pub(super) type Handler = Arc<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// Paths and what they answer.
#[derive(Debug, Default)]
pub(super) struct Routes {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    paths: HashMap<String, Route>,
    fallback: Route,
}

#[derive(Default)]
struct Route {
    resource: Option<Arc<Resource>>,
    script: VecDeque<Reply>,
    handler: Option<Handler>,
    /// Requests that the handler has had.
    handled: usize,
    rate: watch::Sender<Option<u64>>,
}

/// All that is needed to answer one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) resource: Option<Arc<Resource>>,
    pub(super) rate: watch::Receiver<Option<u64>>,
}

impl Routes {
    pub(super) fn serve(&self, path: String, resource: Resource) {
        self.with(path, |route| {
            route.rate.send_replace(resource.pace.rate);
            route.resource = Some(Arc::new(resource));
        });
    }

    pub(super) fn remove(&self, path: &str) {
        lock(&self.table).paths.remove(path);
    }

    pub(super) fn script(&self, path: String, replies: impl IntoIterator<Item = Reply>) {
        self.with(path, |route| route.script.extend(replies));
    }

    pub(super) fn handle(&self, path: String, handler: Handler) {
        self.with(path, |route| (route.handler, route.handled) = (Some(handler), 0));
    }

    pub(super) fn fallback(&self, handler: Handler) {
        lock(&self.table).fallback.handler = Some(handler);
    }

    pub(super) fn set_rate(&self, path: String, rate: u64) {
        self.with(path, |route| route.rate.send_replace(Some(rate)));
    }

    fn with<T>(&self, path: String, change: impl FnOnce(&mut Route) -> T) {
        change(lock(&self.table).paths.entry(path).or_default());
    }

    /// What this request gets: the path's next scripted reply, else its handler's, else its resource's.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let mut table = lock(&self.table);
        let route = table.find(&request.path);
        let (resource, rate) = (route.resource.clone(), route.rate.subscribe());
        let scripted = route.script.pop_front();
        let handler = route.handler.clone().filter(|_| scripted.is_none());
        let nth = route.handled;
        route.handled += usize::from(handler.is_some());
        // A handler may call the server, so the table must be free when it runs.
        drop(table);
        let handled = handler.map(|handler| handler(request, nth));
        Answer { reply: scripted.or(handled).unwrap_or_else(Reply::resource), resource, rate }
    }

    /// This reply, for whatever path.
    pub(super) fn answer_with(&self, request: &Request, reply: Reply) -> Answer {
        let mut table = lock(&self.table);
        let route = table.find(&request.path);
        Answer { reply, resource: route.resource.clone(), rate: route.rate.subscribe() }
    }
}

impl Table {
    /// The route of a path with its query, else of the path alone, else the fallback.
    fn find(&mut self, path: &str) -> &mut Route {
        let key = [path, without_query(path)].into_iter().find(|key| self.paths.contains_key(*key));
        key.and_then(|key| self.paths.get_mut(key)).unwrap_or(&mut self.fallback)
    }
}

/// The path alone.
pub(super) fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = self.handler.as_ref().map(|_| "Fn");
        f.debug_struct("Route")
            .field("resource", &self.resource)
            .field("script", &self.script)
            .field("handler", &handler)
            .field("handled", &self.handled)
            .field("rate", &self.rate)
            .finish()
    }
}

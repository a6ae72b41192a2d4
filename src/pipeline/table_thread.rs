//! The thread on which one table's rows are staged, apart from the async tasks.
//!
//! In: batches in page order through a bounded queue. Out: the [`TableStage`], once [`TableThread::end`] says that no more
//! come; a queue that closes without it drops the stage and what it wrote.

use tokio::sync::{mpsc, oneshot};

use crate::base::{Panicked, caught, task_point};
use crate::decode::TypedBatch;
use crate::lake::{LakeError, TableStage};
use crate::pipeline::{BATCHES_MAX, RunError};

/// The sending side of a table's thread.
pub(crate) struct TableThread {
    queue: mpsc::Sender<Message>,
    outcome: oneshot::Receiver<Result<Result<TableStage, LakeError>, Panicked>>,
}

enum Message {
    Rows(TypedBatch),
    End,
}

impl TableThread {
    /// Starts the thread of `stage`.
    ///
    /// # Errors
    /// [`RunError::Internal`] when the system gives no thread.
    pub(crate) fn start(table: &str, mut stage: TableStage) -> Result<Self, RunError> {
        let (queue, mut rows) = mpsc::channel(BATCHES_MAX);
        let (done, outcome) = oneshot::channel();
        let span = tracing::Span::current();
        let work = move || {
            let _entered = span.entered();
            let staged = caught(|| {
                while let Some(message) = rows.blocking_recv() {
                    task_point("task.table");
                    match message {
                        Message::Rows(batch) => stage.push(batch)?,
                        Message::End => return Ok(Some(stage)),
                    }
                }
                Ok(None)
            });
            // Without an end, the resource has failed already, and nobody waits any more.
            if let Some(staged) = staged.map(Result::transpose).transpose() {
                let _ = done.send(staged);
            }
        };
        std::thread::Builder::new()
            .name(format!("table {table}"))
            .spawn(work)
            .map_err(|error| RunError::Internal { place: "the table's thread", what: error.to_string() })?;
        Ok(Self { queue, outcome })
    }

    /// Hands over a batch; waits while [`BATCHES_MAX`] are waiting.
    ///
    /// # Errors
    /// Whatever ended the thread.
    pub(crate) async fn push(&mut self, batch: TypedBatch) -> Result<(), RunError> {
        match self.queue.send(Message::Rows(batch)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// No more rows come: gives the stage back, with all of them in it.
    ///
    /// # Errors
    /// Whatever ended the thread before.
    pub(crate) async fn end(mut self) -> Result<TableStage, RunError> {
        if self.queue.send(Message::End).await.is_err() {
            return Err(self.failure().await);
        }
        match self.outcome.await {
            Ok(staged) => Ok(staged.map_err(panicked)??),
            Err(_) => Err(unanswered()),
        }
    }

    async fn failure(&mut self) -> RunError {
        match (&mut self.outcome).await {
            Ok(Err(panic)) => panicked(panic),
            Ok(Ok(Err(error))) => error.into(),
            Ok(Ok(Ok(_))) | Err(_) => unanswered(),
        }
    }
}

fn panicked(panic: Panicked) -> RunError {
    RunError::Internal { place: "the table's thread", what: panic.to_string() }
}

fn unanswered() -> RunError {
    RunError::Internal { place: "the table's thread", what: "it ended without an answer".to_owned() }
}

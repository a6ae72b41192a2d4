//! The thread on which one table's rows are staged, apart from the async tasks.
//!
//! In: batches in page order through a bounded queue. Out: the [`TableStage`], once [`TableThread::end`] says that no more
//! come; a queue that closes without it drops the stage and what it wrote.

use tokio::sync::{mpsc, oneshot};

use crate::decode::TypedBatch;
use crate::lake::{LakeError, TableStage};
use crate::pipeline::{BATCHES_MAX, RunError};

/// The sending side of a table's thread.
pub(crate) struct TableThread {
    queue: mpsc::Sender<Message>,
    outcome: oneshot::Receiver<Result<TableStage, LakeError>>,
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
        let work = move || {
            while let Some(message) = rows.blocking_recv() {
                match message {
                    Message::Rows(batch) => {
                        if let Err(error) = stage.push(batch) {
                            // The receiver is gone only when the resource has failed already.
                            let _ = done.send(Err(error));
                            return;
                        }
                    }
                    Message::End => {
                        let _ = done.send(Ok(stage));
                        return;
                    }
                }
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
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(panicked()),
        }
    }

    async fn failure(&mut self) -> RunError {
        match (&mut self.outcome).await {
            Ok(Err(error)) => error.into(),
            Ok(Ok(_)) | Err(_) => panicked(),
        }
    }
}

fn panicked() -> RunError {
    RunError::Internal { place: "the table's thread", what: "it ended without an answer".to_owned() }
}

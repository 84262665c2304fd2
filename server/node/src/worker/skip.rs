use sockeye_core::{
    ports::{ConsumerGroup, LogConsumer, LogError, MessageLog},
    position::{Cursor, Position},
};

/// Goes on behind an entry that cannot be read, so that one damaged record does not stop all that follow it.
pub(super) async fn skip(
    log: &dyn MessageLog,
    group: ConsumerGroup,
    mut consumer: Box<dyn LogConsumer>,
    unreadable: Position,
) -> Result<Box<dyn LogConsumer>, LogError> {
    consumer.commit(&Cursor::from_iter([unreadable])).await?;
    log.consumer(group).await
}

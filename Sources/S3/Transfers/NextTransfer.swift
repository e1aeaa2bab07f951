/// What the loop is to do next.
public enum NextTransfer {
    case transfer(Transfer)
    /// None now; ask again when a transfer has finished, or after ``TransferLoop/Wakeup/wake()``.
    case waiting
    /// No more will come.
    case finished
}

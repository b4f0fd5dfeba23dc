// Fewer acknowledgements: yamux answers every frame with a frame of its own, which says how much more may be sent. So each
// gossiped message went twice through encryption, sockets and the muxer. Here a stream says so once for many frames,
// long before the sender's window is used up, as other implementations of yamux do.
import { StreamState, YamuxStream } from "@libp2p/yamux/stream";
import { YAMUX_UNACKNOWLEDGED_BYTES_MAX } from "../core/limits.ts";

type Frame = Parameters<YamuxStream["handleData"]>[0];

/** Bytes that came on a stream since it last said how much more may come. */
const unacknowledged = new WeakMap<YamuxStream, number>();
let isDone = false;

/**
 * For every yamux stream of this process, from now on; a second call changes nothing. The library makes its streams
 * itself and takes no other class, so its class is changed, by its public methods alone.
 */
export function acknowledgeRarely(): void {
  if (isDone) return;
  isDone = true;
  const { handleData, sendWindowUpdate } = YamuxStream.prototype;
  YamuxStream.prototype.handleData = function (this: YamuxStream, frame: Frame): void {
    unacknowledged.set(this, (unacknowledged.get(this) ?? 0) + frame.header.length);
    handleData.call(this, frame);
  };
  YamuxStream.prototype.sendWindowUpdate = function (this: YamuxStream): void {
    // Only an open stream that reads: what opens one, and what pauses or resumes it, is said at once.
    const isOpen = this.state === StreamState.Established;
    if (isOpen && (unacknowledged.get(this) ?? 0) < YAMUX_UNACKNOWLEDGED_BYTES_MAX) return;
    if (this.state !== StreamState.Paused) unacknowledged.delete(this);
    sendWindowUpdate.call(this);
  };
}

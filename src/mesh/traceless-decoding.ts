// Decoding without stack traces: libp2p's decoder learns by an exception that a message is at its end, and V8 writes a
// trace for each, which took a twentieth of the work on a small message. Nobody reads that trace.
import { LengthPrefixedDecoder } from "@libp2p/utils";

let isDone = false;

/**
 * For every decoder of this process, from now on; a second call changes nothing. The library makes its decoders itself,
 * so its class is changed, by its public method alone. What it really refuses says so in its message, without a trace.
 */
export function decodeWithoutTraces(): void {
  if (isDone) return;
  isDone = true;
  const { decode } = LengthPrefixedDecoder.prototype;
  LengthPrefixedDecoder.prototype.decode = function* (this: LengthPrefixedDecoder, bytes) {
    const messages = decode.call(this, bytes);
    for (;;) {
      const { stackTraceLimit } = Error;
      Error.stackTraceLimit = 0;
      let next: ReturnType<typeof messages.next>;
      try {
        next = messages.next();
      } finally {
        Error.stackTraceLimit = stackTraceLimit;
      }
      if (next.done === true) return;
      yield next.value;
    }
  };
}

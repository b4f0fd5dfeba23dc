// Listens to Keystone's notifications while `keymesh keystone check` writes: the only proof that they come is one that came.
import { CHECK_EVENT_WAIT_MS } from "../core/limits.ts";
import type { NotificationSource } from "../keystone/notifications.ts";
import type { Finding } from "./keystone-check.ts";
import type { World } from "./world.ts";

type Ear = {
  /** Resolves once events come in, or will not soon. */
  readonly isReady: Promise<void>;
  /** Whether an event came of one of these objects. */
  judge(tried: ReadonlySet<string>): Promise<Finding>;
};

export function listen(source: NotificationSource, after: World["after"]): Ear {
  const heard = new Set<string>();
  const ready = Promise.withResolvers<void>();
  let wake: () => void = () => undefined;
  const pause = () =>
    new Promise<void>((resolve) => {
      const cancel = after(CHECK_EVENT_WAIT_MS, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  const late = after(CHECK_EVENT_WAIT_MS, ready.resolve);
  source.start({
    onEvent: ({ id }) => {
      heard.add(id);
      wake();
    },
    onOther: () => undefined, // Logins and the like.
    onGap: () => {
      late();
      ready.resolve();
    },
    onLoss: () => undefined, // `judge` reads the state.
  });
  const what = "notifications";
  return {
    isReady: ready.promise,
    judge: async (tried) => {
      const { state, reason } = source.state;
      if (state !== "connected")
        return {
          what,
          is: "missing",
          detail: reason ?? "no answer",
          fix: "check notifications in keymesh.yaml, and that the broker is up and lets our user in",
        };
      if (tried.size === 0)
        return {
          what,
          is: "skipped",
          fix: null,
          detail: "the broker was reached; nothing could be written that it would tell of",
        };
      const isHeard = () => [...tried].some((id) => heard.has(id));
      for (let waits = 0; waits < 3 && !isHeard(); waits += 1) await pause();
      if (isHeard()) return { what, is: "ok", detail: "Keystone's broker told of what was written", fix: null };
      return {
        what,
        is: "missing",
        detail: "the broker was reached, and told nothing of what was written",
        fix: "in keystone.conf set transport_url, and driver = messagingv2 under [oslo_messaging_notifications]; in keymesh.yaml the same exchange, topic and virtual host",
      };
    },
  };
}

// Faults planted on purpose, so that a test can see the load tool's ledger catch them.
const EVERY = 50;

/** Wraps `deliver`; "lose", "double" and "reorder" misdeliver every 50th message, the others none. */
export function faulty(kind, deliver) {
  let count = 0;
  let heldBack = null;
  const faults = {
    none: deliver,
    hide: deliver,
    forget: deliver,
    lose: (...args) => count++ % EVERY !== 0 && deliver(...args),
    double: (...args) => {
      deliver(...args);
      if (count++ % EVERY === 0) deliver(...args);
    },
    reorder: (message, sender) => {
      // Held back until the same sender's next message has overtaken it.
      if (!heldBack && count++ % EVERY === 0) heldBack = [message, sender];
      else {
        deliver(message, sender);
        if (heldBack?.[1] === sender) {
          deliver(...heldBack);
          heldBack = null;
        }
      }
    },
  };
  if (!faults[kind]) throw new Error(`PEER_FAULT=${kind} is not known`);
  return faults[kind];
}

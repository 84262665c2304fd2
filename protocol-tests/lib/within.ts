import { patienceMs } from "./target.ts";

/** Fails with a sentence naming what did not happen, instead of leaving a test hanging. */
export async function within<T>(what: string, promise: Promise<T>, afterMs = patienceMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${afterMs} ms`)), afterMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** Only for letting a protocol time-out pass: every other wait has a condition. */
export const elapse = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise whose settling is somebody else's to call. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

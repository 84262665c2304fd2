/** What a browser says of a key. */
export type Key = Pick<KeyboardEvent, "key" | "isComposing" | "keyCode">;

/** The key code of a key that an input method has taken for itself. */
const TAKEN_BY_INPUT_METHOD = 229;

/**
 * Enter that is meant for the page. The one that confirms a word of an input method is not: Chrome and Firefox send it
 * while composing, Safari when the composition has ended, and then only its code tells.
 */
export const isEnter = (key: Key): boolean => key.key === "Enter" && !isOfInputMethod(key);

/** Enter that confirms a word of an input method. */
export const isConfirmingEnter = (key: Key): boolean => key.key === "Enter" && isOfInputMethod(key);

const isOfInputMethod = (key: Key): boolean => key.isComposing || key.keyCode === TAKEN_BY_INPUT_METHOD;

/** A name within a sentence where no markup is: whatever its direction is, the sentence keeps its own. */
export const isolated = (name: string): string => `\u2068${name}\u2069`;

/** Contract `direct-v1` in a real Chromium, the page on another origin and on the server's own. */
import { test } from "node:test";
import { browserStory } from "../browser/story.ts";

test("cross-origin page", () => browserStory("direct-v1", "cross-origin"));
test("page served by the server", () => browserStory("direct-v1", "same-origin"));

/** Contract `direct-v1` in a real Chromium, the page on another origin and on the server's own. */
import { test } from "node:test";
import { forgeryStory } from "../browser/forgery.ts";
import { browserStory } from "../browser/story.ts";

test("cross-origin page", () => browserStory("direct-v1", "cross-origin"));
test("page served by the server", () => browserStory("direct-v1", "same-origin"));
test("pages of other sites cannot act for their visitor", () => forgeryStory("direct-v1", "strict"));
test("nor where any site's pages send the cookie", () => forgeryStory("direct-v1", "none"));

/** direct-v1.md section 7: see the suite. */
import { directV1 } from "../lib/kit.ts";
import { existingDatabaseSuite } from "../suites/existing-database.ts";

existingDatabaseSuite(directV1);

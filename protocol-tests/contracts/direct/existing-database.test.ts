/** direct.md section 7: see the suite. */
import { direct } from "../lib/kit.ts";
import { existingDatabaseSuite } from "../suites/existing-database.ts";

existingDatabaseSuite(direct);

// In a worker or a child process of a test: what the package refuses is noted for the test.
import { observeRefusals } from '#internal';
import { noteRefusal } from './refusals.mjs';

observeRefusals(noteRefusal);

import { answerJson, apiVersion } from './answer.ts'
import type { Handler } from './handler.ts'

/** GET /v2/: 200 says "I am a registry, and you are somebody" (distribution-spec, "Determining Support"). */
export const getBase: Handler = (ctx) => answerJson(ctx, 200, {}, apiVersion)

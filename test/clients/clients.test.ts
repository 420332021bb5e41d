import { clientContract } from './contract.ts'
import { crane } from './crane.ts'
import { oras } from './oras.ts'
import { buildah, podman } from './podman.ts'
import { regctl } from './regctl.ts'
import { skopeo } from './skopeo.ts'

clientContract([skopeo, podman, buildah, crane, oras, regctl])

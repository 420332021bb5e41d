import { containerd } from './containerd.ts'
import { clientContract } from './contract.ts'
import { docker } from './docker.ts'

clientContract([docker, containerd])

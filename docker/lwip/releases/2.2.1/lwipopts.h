/*
 * How lwIP 2.2.1 is built for tcpspec: what Debian's package of lwIP chooses, as far as it touches TCP, so that two
 * releases differ by what changed in lwIP and not by how they were built.
 */
#ifndef TCPSPEC_LWIPOPTS_H
#define TCPSPEC_LWIPOPTS_H

#define NO_SYS 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8

#define LWIP_NETIF_TX_SINGLE_PBUF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF 0
#define LWIP_CHECKSUM_ON_COPY 1
#define IP_FORWARD 1
#define LWIP_IGMP 1
#define LWIP_RAW 1
#define SO_REUSE 1

#define LWIP_IPV6 1
#define LWIP_IPV6_FORWARD 1
/* On machines of 64 bits what reassembly notes of a fragment does not fit into the fragment's header. */
#define IPV6_FRAG_COPYHEADER 1
#define LWIP_IPV6_NUM_ADDRESSES 6
#define MEMP_NUM_MLD6_GROUP 16

#define TCP_MSS 1460
#define TCP_WND 0xFFFF
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 1
#define TCP_SND_BUF TCP_WND

#define LWIP_TCP_KEEPALIVE 1
#define LWIP_STATS 0
#define LWIP_NOASSERT_ON_ERROR 1
#define LWIP_TCPIP_CORE_LOCKING 1

#endif

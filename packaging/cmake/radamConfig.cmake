# find_package(radam) reads this. What differs between installations is taken from radam.pc, which is written when the
# library is installed.

include("${CMAKE_CURRENT_LIST_DIR}/radamTargets.cmake")

# In a function, so that its variables stay out of the caller's.
function(radam_add_installed_targets pcfiledir)
  # radam.pc mentions variables as CMake does: ${pcfiledir}.
  file(STRINGS "${pcfiledir}/radam.pc" lines)
  foreach(line IN LISTS lines)
    if(line MATCHES "^([a-z_]+)=(.*)$")
      set(variable ${CMAKE_MATCH_1})
      string(CONFIGURE "${CMAKE_MATCH_2}" ${variable})
    elseif(line MATCHES "^Version: (([0-9]+\\.[0-9]+)\\.[0-9]+)$")
      set(version ${CMAKE_MATCH_1})
      set(minor_version ${CMAKE_MATCH_2})
    elseif(line MATCHES "^Libs.private: *(.*)$")
      set(native_libraries "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  get_filename_component(includedir "${includedir}" ABSOLUTE)
  get_filename_component(libdir "${libdir}" ABSOLUTE)

  # Of each, the one that exists here.
  file(GLOB shared "${libdir}/libradam.so.${version}" "${libdir}/libradam.dylib" "${prefix}/bin/radam.dll")
  file(GLOB implib "${libdir}/libradam.dll.a" "${libdir}/radam.dll.lib")
  file(GLOB static "${libdir}/libradam.a" "${libdir}/radam.lib")
  set(soname)
  if(shared MATCHES "\\.so\\.")
    set(soname "libradam.so.${minor_version}")
  endif()
  radam_add_targets(INCLUDE_DIR "${includedir}" SHARED "${shared}" SONAME "${soname}" IMPLIB "${implib}"
    STATIC "${static}" NATIVE_LIBRARIES "${native_libraries}")
endfunction()

if(NOT TARGET radam::radam AND NOT TARGET radam::static)
  get_filename_component(radam_pkg_config_dir "${CMAKE_CURRENT_LIST_DIR}/../../pkgconfig" ABSOLUTE)
  radam_add_installed_targets("${radam_pkg_config_dir}")
  if(NOT TARGET radam::radam AND NOT TARGET radam::static)
    set(radam_FOUND FALSE)
    set(radam_NOT_FOUND_MESSAGE "The libraries are not where ${radam_pkg_config_dir}/radam.pc says.")
  endif()
endif()
